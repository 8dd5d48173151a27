"""Layer 2: test plans; YAML text in, validated plan and stable cells out. Pure."""
