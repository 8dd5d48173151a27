
int do_swap_page(struct vm_fault *vmf)
{
	if (!folio_test_ksm(folio)) {
		exclusive = pte_swp_exclusive(vmf->orig_pte);
		if (folio != swapcache) {
			exclusive = true;
		} else if (exclusive && folio_test_writeback(folio) &&
			  data_race(si->flags & SWP_STABLE_WRITES)) {
			/*
			 * This is tricky; and another comment.
			 */
			exclusive = false;
		}
	}
	return 0;
}
