
/* ordinary write faults */
static int do_wp_page(struct vm_fault *vmf)
{
	if (locked) {
		get_page(vmf->page);
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		put_page(vmf->page);
	}

	/*
	 * Ok, we need to copy. Oh, well..
	 */
	get_page(vmf->page);

	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return wp_page_copy(vmf);
}
