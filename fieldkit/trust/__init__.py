"""Judging certificates, chains and TLS settings: pure functions over bytes, with the time as an argument.

    der.py, oids.py   bytes → values, nothing that a hostile file can break
    distinguished.py  the names of subjects and issuers; names.py: which host a certificate is for
    extensions.py, keys.py, signatures.py → certificate.py                         one certificate as plain values
    containers.py     files: PEM, DER, PKCS#7, PKCS#12, requests, keys …           request.py, ocsp.py, crl.py
    hashdata.py       how OCPP points at certificates                              anchors.py whom to trust
    chain.py          who vouches for whom, and why not                            posture.py what is wrong with a leaf
    observed.py → profiles.py (requirements.py)                                    OCPP security profiles
    iso15118.py, purpose.py                                                        what a certificate is fit for

Reading needs no package. Signatures are verified by ``cryptography``, loaded when the first one is; without it a
signature is "not verified", and that is said.

What is wrong comes out as ``fault.Fault``: an id of the catalogue and values for its texts, which stand in
``fieldkit/checks/certificatekinds.py``.
"""
