"""Layer 1: frozen values that flow between the stages; no behaviour beyond (de)serialising."""
