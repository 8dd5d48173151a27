
int do_swap_page(struct vm_fault *vmf)
{
	if ((vmf->flags & FAULT_FLAG_WRITE) && reuse_swap_page(page, NULL)) {
		pte = maybe_mkwrite(pte_mkdirty(pte), vma);
		vmf->flags &= ~FAULT_FLAG_WRITE;
		exclusive = RMAP_EXCLUSIVE;
	}
	return 0;
}
