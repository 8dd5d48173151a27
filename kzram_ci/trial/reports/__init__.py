"""What a trial tells: a text to paste, a reply by mail, the array that b4 reads, and JSON. Pure."""
