"""Functions that stand on the stack of a crash without being its culprit, in families, each with its why.

A word is a whole name; with a star at the end it is a prefix. Loose substrings would hide culprits, too. A family
belongs to every report (`ANY`), or only to one strategy or type. Tables, no code: the judgement is in blame.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Family:
    """Names with one reason. `where` is "any", a type of the vocabulary, or a title word in lower case."""

    where: str
    why: str
    names: str


FAMILIES = (
    Family("any", "prints the report, or is the trap that led to it", """
        dump_stack* dump_backtrace* __dump_stack show_stack* show_regs* show_trace* show_workqueue* sched_show_task walk_stackframe
        unwind_backtrace dump_header __dump_backtrace arch_show_stack dump_cpu_task print_* __print_* pr_* panic nmi_panic vpanic
        __warn warn_slowpath_* __warn_printk warn_alloc* report_bug __report_bug fixup_bug handle_bug bug_handler bug_brk*
        brk_handler call_break_hook do_debug_exception do_el1_brk* do_error_trap do_trap* do_invalid_op invalid_op
        invalid_op die die_* __die* oops_* oops_begin no_context bad_area* __bad_area* page_fault async_page_fault do_page_fault
        __do_page_fault do_user_addr_fault exc_* asm_exc_* page_fault_oops kernelmode_fixup_or_oops* error_code general_protection
        do_general_protection stack_segment do_stack_segment double_fault do_double_fault divide_error do_divide_error el1_* el1h_* el0_*
        el0t_* do_mem_abort do_translation_fault __do_kernel_fault do_bad_area do_kernel_fault do_sea do_alignment_fault
        die_kernel_fault do_DataAbort do_PrefetchAbort do_undefinstr __und_svc* __und_usr* handle_exception do_trap_break
        do_report_trap pgm_check_handler __do_pgm_check warn_bogus_irq_restore report_* __report_* handle_stack_overflow
        nmi_cpu_backtrace* nmi_trigger_cpumask_backtrace* arch_trigger_cpumask_backtrace* trigger_* arm64_notify_die notify_die force_sig* __schedule_bug
        error_exit error_entry error_return retint_* common_exception __stack_chk_fail schedule_debug dump_page bad_page* ex_handler_* fixup_exception
        panic_bad_stack handle_bad_stack __bad_stack ret_from_irq _sched_show_task touch_nmi_watchdog data_access_common_virt
        instruction_pointer restore_regs_and_iret alignment_exception __bug program_check_exception program_check_common*"""),
    Family("any", "runtime of a sanitizer or tracer, called by instrumented code", """
        kasan_* __kasan_* check_memory_region* __asan_* asan_* kmsan_* __kmsan_* __msan_* kcsan_* __kcsan_* __tsan_* ubsan_* __ubsan_*
        val_to_string handle_overflow kfence_* __kfence_* end_report describe_* check_region_inline memory_is_poisoned* __hwasan_*
        hwasan_* get_kmem_cache quarantine_* kcov_* __sanitizer_cov_* write_comp_data sanitizer_* trace_* __trace_* ftrace_* __fentry__ mcount
        rcu_is_watching debug_lockdep_rcu_enabled stack_trace_* save_stack* arch_stack_walk* stackdepot_* __stack_depot* unwind_* __unwind_start_* fortify_panic
        __fortify_report __fortify_panic kmemleak_* __kmemleak_* create_object* delete_object* hw_breakpoint_* context_tracking_* ct_* __context_tracking_*
        rust_helper_* rust_begin_unwind bpf_trace_* perf_trace_* __bpf_trace_* __traceiter_* ref_tracker_* __cfi_*"""),
    Family("any", "lock and lock validator primitives: the caller chose the lock", """
        _raw_spin_* _raw_read_* _raw_write_* __raw_spin_* __raw_read_* __raw_write_* do_raw_* queued_spin_* queued_read_* queued_write_*
        native_queued_* __pv_queued_* pv_queued_* arch_spin_* arch_read_* arch_write_* virt_spin_lock spin_bug spin_dump rwlock_bug __spin_lock* _spin_*
        lock_acquire lock_acquire* lock_release lock_acquired lock_contended lock_commit_crosslock lock_is_held* __lock_is_held __lock_acquire __lock_release
        lock_set_class lock_downgrade lock_pin_lock lock_repin_lock lock_unpin_lock lockdep_* check_* validate_chain* mark_lock* mark_held_locks mark_usage
        add_lock_to_list register_lock_class look_up_lock_class hlock_class assign_lock_key __lockdep_* __lock_set_class find_held_lock reacquire_held_locks
        valid_state usage_* find_usage_* __bfs bfs noop_count save_trace get_lock_* static_obj debug_locks_off graph_lock match_held_lock debug_check_no_locks_* debug_mutex_*
        mutex_* __mutex_* ww_mutex_* __ww_mutex_* down_* __down* down up_read up_write up __up* rwsem_* __rwsem_* rt_mutex_* rt_spin_* spin_*
        read_lock* read_unlock* write_lock* write_unlock* raw_spin_* percpu_down_* percpu_up_* __percpu_* percpu_rwsem_* seqcount_* seqprop_* __seqprop_*
        read_seq* raw_read_seq* write_seq* do_write_seqcount_* local_bh_* __local_bh_* _local_bh_* local_lock_* local_irq_* arch_local_* raw_local_irq_* trace_hardirqs_*
        bit_spin_* lock_sock lock_sock_nested __lock_sock release_sock __release_sock lock_sock_fast bh_lock_sock* rcu_read_lock* rcu_read_unlock* __rcu_read_*
        rcu_lock_* rcu_lockdep_* osq_lock srcu_read_* __srcu_read_* debug_rt_mutex_* __might_* ___might_sleep* might_* fs_reclaim_* __fs_reclaim_* __sb_start_write* sb_start_*
        __sb_end_write percpu_counter_* lock_torture_* static_key_* jump_label_* __static_key_* sched_annotate_sleep acquire_* check_flags*"""),
    Family("any", "allocator, or what frees: the caller chose the size and the life time", """
        kmalloc* __kmalloc* kzalloc* kcalloc* krealloc* __krealloc* __do_krealloc kvmalloc* __kvmalloc* kvzalloc* kvcalloc* ___kmalloc_* __do_kmalloc* do_kmalloc* kmem_cache_* __kmem_cache_*
        ___slab_alloc* __slab_alloc* slab_* __slab_* new_slab* allocate_slab* alloc_slab_page cache_alloc_* ____cache_alloc* cache_grow* cache_free_* ___cache_free __cache_free* cache_flusharray
        alloc_pages* __alloc_pages* __alloc_frozen_pages* alloc_frozen_pages* __folio_alloc* folio_alloc* vma_alloc_* alloc_page_* alloc_page __alloc_page get_page_from_freelist __get_free_pages get_zeroed_page free_pages* __free_pages* free_the_page free_page
        free_unref_* __free_page* free_hot_cold_page free_pcppages_bulk free_one_page prep_new_page post_alloc_hook clear_page* clear_highpage* rmqueue* init_object init_page_owner* set_page_owner free_large_kmalloc free_large_* __kmalloc_large*
        vmalloc* __vmalloc* vzalloc* vfree __vunmap __vfree kfree kfree_const kfree_sensitive kzfree kvfree* __kvfree* kfree_rcu* kfree_call_rcu kfree_skb* __kfree_skb* consume_skb skb_free_* skb_release_* sk_skb_reason_drop __sk_skb_reason_drop kmemdup* kstrdup* kvmemdup* kasprintf kvasprintf*
        memdup_user* vmemdup_user strndup_user mempool_* pcpu_alloc* __alloc_percpu* alloc_percpu* free_percpu pcpu_* dma_alloc_* dma_pool_* devm_kmalloc devm_kzalloc* should_failslab should_fail* fail_dump __should_fail*
        __do_kmalloc_node free_object alloc_large* __vunmap remove_vm_area qlink_* memblock_* cpumask_* alloc_cpumask_* debug_check_no_obj_freed __check_heap_object check_heap_object get_partial_node* put_cpu_partial deactivate_slab free_to_partial_list free_debug_processing set_track* object_err __slub_debug* alloc_debug_processing"""),
    Family("any", "memory, string and number functions", """
        memcpy* __memcpy* ___memcpy* memset* __memset* memmove* __memmove* memcmp* __memcmp* memchr* memscan memzero_* memweight __arch_memcpy strlen* strnlen* strcmp strncmp strcasecmp strncasecmp strchr* strrchr strstr strnstr strlcpy strlcat strscpy* strncpy strcpy strcat
        strncat sized_strscpy* strim strsep strspn strcspn strpbrk strnchr read_word_at_a_time hex_string string string_nocheck number vsnprintf snprintf sprintf vsprintf scnprintf vscnprintf pointer ip4_* ip6_addr_string
        mac_address_string uuid_string bitmap_string format_decode widen_string bin2hex hex_dump_to_buffer print_hex_dump crc* __crc* sscanf vsscanf kstrto* _kstrto* _parse_integer* simple_strto* match_token match_string parse_args bcmp bstr_printf
        __swab* get_unaligned* put_unaligned* __get_unaligned* div64_* __div64_* mul_u64_* reciprocal_* jhash* siphash* hash_* xxh* csum_* do_csum __csum_partial ip_fast_csum ip_compute_csum full_name_hash"""),
    Family("any", "copies from and to user space for its caller", """
        _copy_from_user* _copy_to_user* copy_user_* __copy_* copy_from_user* copy_to_user* raw_copy_* __arch_copy_* arm_copy_* _copy_from_iter* _copy_to_iter* copy_from_iter* copy_to_iter* copy_page_from_iter* copy_page_to_iter*
        copyin copyout copyout* __check_object_size* usercopy_abort report_usercopy check_copy_size instrument_copy_* strncpy_from_user do_strncpy_from_user strnlen_user __get_user* __put_user* get_user* put_user* fault_in_* rep_movs_* rep_stos_* memcpy_orig memcpy_erms memcpy_toio
        iov_iter_copy_* iterate_* __iterate_* memcpy_from_iter* memcpy_to_iter* memcpy_to_msg memcpy_from_msg copy_struct_* copy_siginfo_* kernel_get_* simple_copy_to_iter skb_copy_datagram_* __skb_datagram_iter csum_and_copy_*"""),
    Family("any", "lists, trees, maps and bits", """
        list_add* list_del* __list_* list_move* list_splice* list_empty* list_replace* hlist_add* hlist_del* hlist_empty hlist_unhashed __hlist_* list_lru_* rb_* __rb_* rbt_* radix_tree_delete* radix_tree_lookup* radix_tree_insert __radix_tree_* radix_tree_next*
        xa_* xas_* __xa_* idr_* __idr_* ida_* mas_* mtree_* mt_* mtree_* mas_walk klist_* rhashtable_* rht_* __rhashtable_* rhltable_* llist_* kfifo_* __kfifo_* interval_tree_* __interval_* bitmap_* __bitmap_* find_*_bit find_next_* find_first_* find_last_bit _find_*
        test_bit test_and_* __test_* set_bit clear_bit clear_bit_unlock change_bit __set_bit __clear_bit _test_* _set_bit _clear_bit constant_test_bit variable_test_bit arch_test_* arch_set_bit arch_clear_bit assoc_array_* prio_tree_* timerqueue_* plist_* gen_pool_*"""),
    Family("any", "atomics and reference counts", """
        atomic_* atomic64_* atomic_long_* arch_atomic* raw_atomic* __atomic* refcount_* __refcount_* kref_* static_key_slow_* __write_once_size __read_once_size* ___set_bit cmpxchg* rcuref_* percpu_ref_*
        iput dput dput_* dget* lockref_* fput __iget ihold igrab put_device get_device put_pid put_cred_rcu __put_cred put_task_struct* __put_task_struct* sock_put sock_hold sk_free __sk_free sk_destruct dev_put dev_hold netdev_* put_page get_page folio_put* __folio_put* put_net module_put try_module_get __module_get mntput* kobject_put
        kobject_get* kobject_cleanup kobject_release kobject_del __kobject_del kobject_uevent* css_put mmput* mmdrop put_unused_fd fd_install"""),
    Family("any", "prints for its caller", """
        printk* _printk* __printk* vprintk* dev_printk* __dev_printk dev_vprintk* _dev_* __dev_info __netdev_printk netdev_printk __dynamic_* dynamic_* seq_printf seq_vprintf seq_put* seq_write seq_path seq_escape* __nlmsg_* log_store vprintk_store
        console_unlock console_flush* console_trylock* console_emit* call_console_drivers* __down_trylock_console_sem __up_console_sem wake_up_klogd log_output bust_spinlocks"""),
    Family("any", "scheduler, wait and completion primitives", """
        schedule schedule_* __schedule preempt_schedule* preempt_count_* __preempt_* context_switch __switch_to* io_schedule* _cond_resched __cond_resched* cond_resched* wait_for_completion* wait_for_common* do_wait_for_common __wait_for_common wait_for_co*
        complete complete_* __complete* swake_up_* __swait* __wake_up* wake_up_process wake_up_state wake_up_q wake_up_bit wake_up_var wake_up_page* wake_up try_to_wake_up ttwu_* autoremove_wake_function default_wake_function woken_wake_function pollwake
        prepare_to_wait* finish_wait init_wait_* wait_on_bit* __wait_on_bit* out_of_line_wait_on_* bit_wait* usleep_range* msleep* do_nanosleep smp_processor_id debug_smp_processor_id __this_cpu_preempt_check this_cpu_* irqentry_* irq_enter* irq_exit*
        do_raw_local_* finish_task_switch* pick_next_* dequeue_* enqueue_* set_cpus_allowed_* __set_cpus_allowed_* set_task_cpu select_task_rq* percpu_rwsem_wait wait_event_* __wait_event_* kthread_stop* kthread_should_* current_thread_info task_rq_lock* __task_rq_lock finish_lock_switch"""),
    Family("any", "timer and deferred work primitives", """
        del_timer* timer_* __timer_* mod_timer* __mod_timer add_timer* lock_timer_base detach_* try_to_del_timer* internal_add_timer init_timer* do_init_timer hrtimer_* __hrtimer_* remove_hrtimer debug_object_* __debug_object_* debug_print_object debug_timer_* debug_hrtimer_* debug_work_* __debug_check_*
        __queue_work queue_work* queue_delayed_work* __queue_delayed_work queue_rcu_work insert_work insert_wq_* work_is_static_object work_fixup_* __flush_work* flush_work flush_delayed_work start_flush_work cancel_work* cancel_delayed_work* __cancel_work* __cancel_delayed_* drain_workqueue flush_workqueue_prep_*
        mod_delayed_work* destroy_workqueue alloc_workqueue* __init_work init_work tasklet_* __tasklet_* call_rcu* __call_rcu* kvfree_call_rcu kthread_queue_* kthread_flush_* kthread_insert_* kthread_cancel_* task_work_add task_work_cancel* irq_work_* __irq_work_* ktime_* __ktime_* getnstime* delay_* __delay* __udelay __const_udelay udelay ndelay
        del_singleshot_timer_sync usecs_to_* msecs_to_* jiffies_* round_jiffies*"""),
    Family("any", "device core, sysfs, kobject and bus glue: the driver on top of it is meant", """
        device_add* device_register device_del device_unregister device_initialize device_create* device_destroy device_attach __device_attach* device_bind_driver device_release* __device_release* device_initial_probe really_probe* driver_probe_* __driver_probe_* driver_attach driver_register __driver_attach
        device_driver_* bus_probe_* bus_add_* bus_remove_* bus_for_each_* devres_* devm_* kobject_add* kobject_init* kobject_create* kobject_set_* kobject_rename kset_* sysfs_* __sysfs_* kernfs_remove* __kernfs_remove kernfs_get* kernfs_put* kernfs_create_* kernfs_add_one kernfs_find_* kernfs_drain* kernfs_deactivate* internal_create_* dpm_* device_pm_* dev_set_name
        dev_uevent_* __class_* class_* device_links_* component_* platform_probe proc_register proc_create* proc_mkdir* _proc_mkdir proc_net_* __proc_create* remove_proc_* __remove_proc* create_proc_* register_netdevice* debugfs_create_* debugfs_remove* __debugfs_*"""),
    Family("any", "USB core: it submits, waits and stops for a driver", """
        usb_submit_urb usb_kill_urb usb_poison_urb usb_unlink_urb usb_hcd_* usb_start_wait_urb usb_control_msg* usb_internal_control_msg usb_bulk_msg usb_interrupt_msg usb_get_descriptor usb_get_string* usb_string usb_string_* usb_free_urb usb_alloc_* usb_init_urb usb_anchor_urb usb_unanchor_urb usb_kill_anchored_* usb_poison_anchored_* usb_get_from_anchor usb_map_urb_* usb_disable_* usb_set_interface usb_driver_claim*
        usb_free_coherent usb_put_* usb_get_dev usb_get_intf usb_autopm_* __usb_* usb_giveback_* unlink1 dummy_urb_* dummy_enqueue"""),
    Family("any", "register accessors, thunks and per-architecture glue", """
        readb readw readl readq writeb writew writel writeq inb inw inl outb outw outl ioread* iowrite* __raw_read* __raw_write* __x86_indirect_thunk_* __x86_return_thunk __indirect_thunk* __kernel_text_address kernel_text_address rdmsr* wrmsr* native_* paravirt_* kvm_async_* pv_* arch_ static_call_* __SCT__* __SCK__* flush_tlb_* __flush_tlb_* smp_call_function_single_interrupt
        __phys_addr* __virt_to_phys* __pa* virt_to_phys* phys_to_virt deref_stack_reg in_gate_area* rcu_nocb_* rcu_segcblist_* hlock_* access_ok __range_ok user_access_*"""),
    Family("any", "page cache entry points: a file system called them", """
        find_get_page* find_get_entry* find_lock_page* find_lock_entry* pagecache_get_page __filemap_get_folio* filemap_get_entry* find_or_create_page grab_cache_page* page_mapping folio_mapping unlock_page* folio_unlock lock_page* __lock_page* folio_lock* __folio_lock* wait_on_page_* folio_wait_* __wait_on_page_* end_page_writeback folio_end_* set_page_dirty* __set_page_dirty* folio_mark_dirty page_cache_next_* mark_buffer_dirty mark_page_accessed folio_mark_accessed filemap_free_folio __filemap_remove_* _compound_head compound_head
        find_get_pages* pagevec_* lru_cache_* folio_flags const_folio_flags PageUptodate page_to_* wait_on_buffer __wait_on_buffer bh_read* __lock_buffer lock_buffer unlock_buffer brelse __brelse put_bh get_bh"""),
    Family("any", "socket buffer primitives: the protocol on top of them is meant", """
        skb_put* __skb_put* skb_push* skb_pull* __skb_pull* __pskb_pull_tail pskb_* __pskb_* skb_trim skb_clone skb_copy* skb_dequeue* skb_queue_* __skb_queue_* __skb_unlink skb_unlink skb_over_panic skb_under_panic skb_panic skb_network_* skb_header_* skb_ensure_* alloc_skb* __alloc_skb* __netdev_alloc_* netdev_alloc_* napi_alloc_* __napi_alloc_* __build_skb* build_skb sock_alloc_send_* sock_wmalloc sock_rmalloc skb_set_owner_* skb_orphan* skb_checksum* __skb_checksum* skb_flow_dissect* __skb_flow_dissect* nla_put* __nla_put* nla_reserve* __nla_reserve* nla_memcpy nla_parse* __nla_parse* nla_strcmp nlmsg_* __nlmsg_put"""),
    # ---- special classes: whoever used the facility is meant
    Family("lockdep", "takes or drops locks on behalf of its caller", """
        flush_work* __flush_work* process_one_work worker_thread rcu_core rcu_do_batch console_lock down_trylock __down_trylock* do_trace_* wait_for_* process_* task_work_run kthread ret_from_fork call_timer_fn irq_exit __do_softirq lock_timer_base get_signal"""),
    Family("spinlock", "lock primitives print these", "rt_* __cond_resched_lock"),
    Family("refcount", "counts for its owner", """
        kobject_* get_net* get_cred* get_file* sock_hold sock_put kref_* put_cred* uevent* bus_get subsys_get usb_get_* usb_put_* sk_alloc sk_* put_device get_device class_get device_* bus_* css_* tcp_* get_task_struct* put_task_* netns_* do_raw_*"""),
    Family("kobject bug", "registers objects on behalf of a subsystem", "kobject_* kset_* device_* bus_* class_* sysfs_* cdev_* netdev_queue_*"),
    Family("odebug bug", "frees or arms on behalf of the owner", """
        debug_* free_obj_work kfree* rcu_* kvfree* kmem_* slab_* destroy_* __free_* sk_* __sk_* skb_* free_percpu timer_* del_timer* __init_* init_* kobject_* device_* put_device module_* devres_* cleanup_srcu_struct"""),
    Family("proc registration bug", "registers on behalf of a subsystem", "proc_* __proc_* _proc_* net_* register_*"),
    Family("kmalloc bug", "allocates on behalf of its caller", "kmalloc* __kmalloc* bpf_map_area_* xt_alloc_* alloc_* usb_alloc_* __do_kmalloc* hcd_buffer_* kvmalloc* memdup_* kzalloc* kcalloc*"),
    Family("usercopy", "checks for its caller", "kernel_* move_addr_* put_cmsg* copy_*"),
    Family("list_corruption", "its owner is meant", "remove_wait_queue add_wait_queue* klist_* kobj_kset_* kobject_* enqueue_* dequeue_* device_* __dev_* bus_* dev_*"),
    Family("kasan", "frees or copies for its caller", "kvm_* skb_* remove_* put_* print_report"),
    Family("kmsan", "moves data that others left uninitialised", """
        crypto_* shash_* ahash_* skcipher_* aes_* __crypto_* sha* md5_* chacha* cbc_* ctr_* gcm_* ecb_* poly1305_* lrw_* xts_* cipher_* scatterwalk_* alloc_skb* netlink_* nlmsg_* genlmsg_* _copy_* copy_* simple_copy_* sock_* skb_* ___pskb_* __skb_* usb_submit_urb* usb_start_* usb_control_* usb_bulk_* hash_* strlen* __crc*
        copyout instrument_* kmsan_* seq_* dma_* swiotlb_* blk_* chacha_* virtio_*"""),
    Family("memory_leak", "allocates, duplicates or registers for others", """
        kmem_* kmalloc* slab_* alloc_* __alloc_* kzalloc kcalloc kmemdup* kstrdup* kvasprintf* kasprintf* memdup_* kobject_* kobj_* device_* dev_set_* class_* skb_* sock_* __sock_* sk_* sk_alloc sk_prot_* inet_* inet6_create
        getname* copy_* dup_* vm_area_* prepare_* security_* lsm_* alloc_inode new_inode __d_alloc d_alloc* kmemleak_* dst_alloc bpf_prog_alloc* __vmalloc* sg_* __sg_* usb_alloc_* bus_* driver_* usb_create_* __register_* register_* nla_* proc_* idr_* radix_* xas_* mempool_* ___slab* percpu_* pcpu_* __kmalloc* napi_* __napi_* netdev_alloc* __netdev* build_* kmem_* post_alloc* init_rescuer* krealloc* __krealloc*
        vmemdup_* strndup_* xskq_* kvmalloc* kvzalloc array_* bio_* mm_* anon_* sysfs_* add_*_rescan apply_*"""),
    Family("preempt", "asks for the CPU on behalf of its caller", "check_preemption_disabled debug_smp_processor_id __this_cpu_preempt_check rcu_* radix_tree_preload* crypto_* xfrm_* snmp_* __snmp_* inet_* ipcomp_alloc* this_cpu_*"),
    Family("atomic_sleep", "scheduler and preemption helpers", """
        schedule* __schedule* ___might_sleep __might_* preempt_* mutex_* __mutex_* _cond_resched __cond_resched down_* usb_* do_wait* kmem_* slab_* prepare_exit_* __cant_sleep"""),
    Family("hung_task", "waits on behalf of its caller", """
        schedule* __schedule context_switch rwsem_* __rwsem_* rwbase_* down_* __down* mutex_* __mutex_* rt_mutex_* __rt_mutex_* io_schedule* wait_* __wait_* _wait_* bit_wait* out_of_line_wait_* wait_for_* do_wait_* __flush_* flush_work* flush_workqueue flush_delayed_* drain_* cancel_* kthread_stop* kthread_* synchronize_* __synchronize_* exp_funnel_lock _synchronize_* rcu_* call_rcu*
        lock_page* __lock_page* folio_* __folio_* lock_sock* __lock_sock* percpu_* __percpu_* __switch_to prepare_to_* usleep_range* msleep* jbd2_log_wait_* blk_mq_freeze_* blk_freeze_* blk_queue_enter* blk_execute_* generic_* sync_* get_signal do_coredump destroy_* usb_start_* usb_kill_* usb_control_* usb_internal_* usb_bulk_* unlock_* lock_buffer* __lock_buffer* grab_super* down up_* ret_* asm_* rest_* refcount_* stop_one_* stop_machine* stop_cpus* start_flush_* fsnotify_* srcu_* sb_start_* __sb_* read_cache_page_* submit_bio_wait
        request_wait_answer __fuse_* p9_virtio_* autofs_* coredump_* wb_wait_* bdi_* kernfs_drain* devtmpfs_*"""),
    Family("ubsan", "handlers of the sanitizer and generic helpers", "__ubsan_* ubsan_* handle_* div_* ilog2 __ilog2* roundup_* fls* ffs*"),
    Family("rust_panic", "Rust's own panic machinery", "_RNv*4core*9panicking* _RNv*17rust_begin_unwind* _RNv*5panic*"),
)

# Stalls and overflows: the function just inside one of these is the one that does not end.
DISPATCHERS = Family("dispatcher", "hands control to the code that runs too long", """
    do_syscall_* entry_SYSCALL_* entry_SYSENTER_* entry_INT80_* do_fast_syscall_* do_int80_* __do_fast_syscall_* sys_call_fastpath system_call* syscall_return_* ia32_sys* tracesys* invoke_syscall* __invoke_syscall el0_svc* do_el0_svc* __sys_trace* ret_fast_syscall ret_from_syscall* system_call_exception system_call_common* do_trap_ecall_u __do_syscall x64_sys_call ia32_sys_call ret_to_user*
    process_one_work process_scheduled_works worker_thread kthread kthread_worker_fn ret_from_fork* call_timer_fn expire_timers __run_timers run_timer_softirq __run_hrtimer __hrtimer_run_queues hrtimer_run_queues hrtimer_run_softirq tasklet_action* __do_softirq handle_softirqs do_softirq* run_ksoftirqd smpboot_thread_fn net_rx_action napi_poll __napi_poll __netif_receive_skb* netif_receive_skb* process_backlog
    rcu_do_batch rcu_core task_work_run exit_to_usermode_loop exit_to_user_mode_loop* do_notify_resume get_signal handle_mm_fault __handle_mm_fault handle_pte_fault do_fault __do_fault do_page_mkwrite vfs_read vfs_write __vfs_read __vfs_write new_sync_read new_sync_write call_read_iter call_write_iter do_iter_read do_iter_write do_iter_readv_writev* vfs_iter_* vfs_readv vfs_writev do_readv do_writev vfs_ioctl do_vfs_ioctl vfs_open do_dentry_open vfs_fsync* vfs_fallocate vfs_getattr* vfs_unlink vfs_rmdir vfs_mkdir vfs_rename do_unlinkat
    sock_sendmsg* __sock_sendmsg sock_recvmsg* sock_write_iter sock_read_iter ____sys_sendmsg ___sys_sendmsg ____sys_recvmsg __sys_sendmsg __sys_sendto __sys_recvmsg __sys_setsockopt __sys_getsockopt do_sock_setsockopt sock_ioctl sock_do_ioctl __sock_release sock_close __fput ____fput delayed_fput rtnetlink_rcv_msg netlink_rcv_skb nfnetlink_rcv_msg nfnetlink_rcv_batch genl_rcv_msg genl_family_rcv_msg* genl_rcv
    generic_smp_call_function_* flush_smp_call_function_queue __flush_smp_call_function_queue sysvec_call_function* do_handle_IPI scheduler_ipi handle_irq_event* __handle_irq_event_percpu generic_handle_irq* blk_mq_run_work_fn do_one_initcall kernel_init_freeable mount_fs vfs_get_tree legacy_get_tree do_new_mount filemap_fault_ do_exit_ path_openat_ irq_work_run* cpuhp_* notifier_call_chain_ __perf_event_overflow_ call_netdevice_notifiers_ sched_ttwu_ start_secondary cpu_startup_entry do_idle secondary_startup_* start_kernel x86_64_start_* exc_page_fault asm_exc_page_fault do_user_addr_fault do_page_fault __do_page_fault do_mem_abort page_fault""")

# Where an interrupt came in: what stands outside of it is what was interrupted.
INTERRUPTS = Family("interrupt", "entry of the interrupt that printed the report", """
    apic_timer_interrupt asm_sysvec_* asm_common_interrupt common_interrupt ret_from_intr smp_apic_timer_interrupt_entry_* reschedule_interrupt call_function_* el1_irq el1h_64_irq el0_irq __irq_svc __irq_usr gic_handle_irq_ end_repeat_nmi nmi nmi_restore asm_exc_nmi irq_work_interrupt decrementer_common* timer_interrupt_ el1h_64_irq_handler_ handle_arch_irq_ ret_from_exception_ do_softirq_own_stack_""")

# A cross-CPU call waits for another CPU: which variant is chance, so all have the name of the family.
CROSS_CALLS = Family("cross call", "waits for another CPU to answer", "smp_call_function* csd_lock_wait* __csd_lock_wait generic_exec_single on_each_cpu* smp_call_on_cpu")
# Waits that have many variants and one meaning.
RCU_WAITS = Family("rcu wait", "waits for a grace period", "synchronize_* __synchronize_* _synchronize_* exp_funnel_lock rcu_barrier* srcu_barrier* synchronize_rcu* rcu_exp_wait_* __wait_rcu_gp wait_rcu_exp_gp cleanup_srcu_struct_")
NET_WAITS = Family("rtnl wait", "waits for the network configuration lock", "rtnl_lock rtnl_lock_killable rtnl_net_lock")


@cache
def pattern(names: str) -> re.Pattern[str]:
    """One anchored expression for a list of names and prefixes; no repeats nest."""
    whole: list[str] = []
    for word in names.split():
        stem, star, rest = word.partition("*")
        body = re.escape(stem)
        while star:
            body += r"[\w.$]*"
            stem, star, rest = rest.partition("*")
            body += re.escape(stem)
        whole.append(body)
    return re.compile("(?:" + "|".join(whole) + r")\Z")


@cache
def helper_pattern(kind: str, title: str) -> re.Pattern[str]:
    """All helpers of a report of this type and title."""
    wanted = ("any", kind, title.lower())
    return pattern(" ".join(family.names for family in FAMILIES if family.where in wanted))


def member(family: Family, name: str) -> bool:
    """Whether a function belongs to a family."""
    return pattern(family.names).match(name) is not None
