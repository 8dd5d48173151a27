"""Results as table, summary, HTML, JUnit and KCIDB: values in, text out. Nothing here touches the disk."""
