"""Results as table, summary, HTML, JUnit, KTAP and KCIDB: values in, text out. Nothing here touches the disk."""
