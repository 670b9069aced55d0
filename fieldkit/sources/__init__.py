"""Where bytes come from: files and pipes today. The only stage that opens anything."""
