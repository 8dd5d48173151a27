#include <linux/module.h>

#include "zram_drv.h"

/* to be called with the slot's lock */
static void zram_free_page(struct zram *zram, size_t index)
{
	unsigned long handle = zram_get_handle(zram, index);

	if (!handle)
		return;

	zs_free(zram->mem_pool, handle);

	atomic64_sub(zram_get_obj_size(zram, index),
		     &zram->stats.compr_data_size);
}

static int zram_write_page(struct zram *zram, struct page *page, u32 index)
{
	int ret = 0;
	unsigned long handle = -ENOMEM;
	unsigned int comp_len = 0;
	struct zcomp_strm *zstrm;
	unsigned long element = 0;

compress_again:
	zstrm = zcomp_stream_get(zram->comps[ZRAM_PRIMARY_COMP]);
	src = kmap_atomic(page);
	ret = zcomp_compress(zram->comps[ZRAM_PRIMARY_COMP], zstrm,
			     src, &comp_len);
	kunmap_atomic(src);

	if (unlikely(ret)) {
		zcomp_stream_put(zram->comps[ZRAM_PRIMARY_COMP]);
		zs_free(zram->mem_pool, handle);
		return ret;
	}

	if (IS_ERR_VALUE(handle))
		handle = zs_malloc(zram->mem_pool, comp_len, __GFP_NOWARN);
	if (IS_ERR_VALUE(handle)) {
		zcomp_stream_put(zram->comps[ZRAM_PRIMARY_COMP]);
		handle = zs_malloc(zram->mem_pool, comp_len, GFP_NOIO);
		if (IS_ERR_VALUE(handle))
			return PTR_ERR((void *)handle);
		goto compress_again;
	}

	if (zram->limit_pages && alloced_pages > zram->limit_pages) {
		zcomp_stream_put(zram->comps[ZRAM_PRIMARY_COMP]);
		zs_free(zram->mem_pool, handle);
		return -ENOMEM;
	}

	dst = zs_map_object(zram->mem_pool, handle, ZS_MM_WO);
	memcpy(dst, src, comp_len);
	zcomp_stream_put(zram->comps[ZRAM_PRIMARY_COMP]);
	zs_unmap_object(zram->mem_pool, handle);
	return ret;
}

/* by the administrator: not a write of a page */
static int zram_recompress(struct zram *zram, u32 index, struct page *page)
{
	ret = zcomp_compress(zram->comps[prio], zstrm, src, &comp_len_new);
	handle_new = zs_malloc(zram->mem_pool, comp_len_new, __GFP_NOWARN);
	dst = zs_map_object(zram->mem_pool, handle_new, ZS_MM_WO);
	return 0;
}

static void destroy_devices(void)
{
	class_unregister(&zram_control_class);
	idr_destroy(&zram_index_idr);
}

static int __init zram_init(void)
{
	int ret;

	zram_major = register_blkdev(0, "zram");
	if (zram_major <= 0)
		return -EBUSY;
	return ret;
}
