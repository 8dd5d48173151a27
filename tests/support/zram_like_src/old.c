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

static int zram_bvec_write(struct zram *zram, struct bio_vec *bvec, u32 index)
{
	int ret = 0;
	unsigned int clen;
	unsigned long handle = 0;
	struct zcomp_strm *zstrm = NULL;

compress_again:
	uncmem = kmap_atomic(page);
	zstrm = zcomp_stream_get(zram->comp);
	ret = zcomp_compress(zstrm, uncmem, &clen);
	if (unlikely(ret)) {
		pr_err("zcomp_compress() failed");
		goto out;
	}

	if (!handle)
		handle = zs_malloc(zram->mem_pool, clen, __GFP_NOWARN);
	if (!handle) {
		zcomp_stream_put(zram->comp);
		zstrm = NULL;
		handle = zs_malloc(zram->mem_pool, clen, GFP_NOIO);
		if (handle)
			goto compress_again;
		ret = -ENOMEM;
		goto out;
	}

	if (zram->limit_pages && alloced_pages > zram->limit_pages) {
		zs_free(zram->mem_pool, handle);
		ret = -ENOMEM;
		goto out;
	}

	cmem = zs_map_object(zram->mem_pool, handle, ZS_MM_WO);
	memcpy(cmem, src, clen);
	zcomp_stream_put(zram->comp);
	zstrm = NULL;
	zs_unmap_object(zram->mem_pool, handle);
out:
	if (zstrm)
		zcomp_stream_put(zram->comp);
	return ret;
}

static int zram_rw_page(struct block_device *bdev, sector_t sector,
		       struct page *page, bool is_write)
{
	int offset, err = -EIO;
	struct bio_vec bv;

	return zram_bvec_rw(bdev, &bv, is_write);
}

static const struct block_device_operations zram_devops = {
	.rw_page = zram_rw_page,
	.owner = THIS_MODULE
};

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
