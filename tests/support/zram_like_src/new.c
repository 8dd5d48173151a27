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

static int write_incompressible_page(struct zram *zram, struct page *page,
				     u32 index)
{
	unsigned long handle;

	handle = zs_malloc(zram->mem_pool, PAGE_SIZE, GFP_NOIO);
	if (IS_ERR_VALUE(handle))
		return PTR_ERR((void *)handle);

	if (!zram_can_store_page(zram)) {
		zs_free(zram->mem_pool, handle);
		return -ENOMEM;
	}

	zs_obj_write(zram->mem_pool, handle, src, PAGE_SIZE);
	return 0;
}

static int zram_write_page(struct zram *zram, struct page *page, u32 index)
{
	int ret = 0;
	unsigned long handle;
	unsigned int comp_len;
	struct zcomp_strm *zstrm;

	zstrm = zcomp_stream_get(zram->comps[ZRAM_PRIMARY_COMP]);
	mem = kmap_local_page(page);
	ret = zcomp_compress(zram->comps[ZRAM_PRIMARY_COMP], zstrm,
			     mem, &comp_len);
	kunmap_local(mem);

	if (unlikely(ret)) {
		zcomp_stream_put(zstrm);
		return ret;
	}

	handle = zs_malloc(zram->mem_pool, comp_len, GFP_NOIO);
	if (IS_ERR_VALUE(handle)) {
		zcomp_stream_put(zstrm);
		return PTR_ERR((void *)handle);
	}

	if (!zram_can_store_page(zram)) {
		zcomp_stream_put(zstrm);
		zs_free(zram->mem_pool, handle);
		return -ENOMEM;
	}

	zs_obj_write(zram->mem_pool, handle, zstrm->buffer, comp_len);
	zcomp_stream_put(zstrm);
	return ret;
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
