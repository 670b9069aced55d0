#!/bin/bash
cppython fieldkit_capture.py
