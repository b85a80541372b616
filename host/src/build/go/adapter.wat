;; What Go's runtime imports from WASI preview 1, in terms of WASI 0.2: real clocks, real randomness, standard output
;; and error, sleeping, and nothing else. It must not know the contract, and owns no memory.
;;
;; No function here has the host allocate in the guest's memory, since Go's collector calls them at any time. What the
;; host returns by reference goes to addresses 16 to 31, whose content is put back at once: the guest is not running
;; meanwhile.
(module $preview1
  (import "env" "memory" (memory 0))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall_now (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic_now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get_stderr (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))

  ;; preview 1's error numbers: SUCCESS 0, BADF 8, INVAL 28, NOTSUP 58, NOTCAPABLE 76.

  ;; The streams' handles, got when first written to. The host makes lines of what is written, so each is kept.
  (global $stdout (mut i32) (i32.const 0))
  (global $stderr (mut i32) (i32.const 0))

  ;; ---- time

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (local $kept0 i64) (local $kept1 i64) (local $now i64)
    (if (i32.gt_u (local.get $clock) (i32.const 1)) (then (return (i32.const 28))))
    (if (local.get $clock)
      ;; Go takes a monotonic time of 0 for a broken clock.
      (then (local.set $now (i64.add (call $monotonic_now) (i64.const 1))))
      (else
        (local.set $kept0 (i64.load (i32.const 16)))
        (local.set $kept1 (i64.load (i32.const 24)))
        (call $wall_now (i32.const 16))
        (local.set $now (i64.add
          (i64.mul (i64.load (i32.const 16)) (i64.const 1_000_000_000))
          (i64.load32_u (i32.const 24))))
        (i64.store (i32.const 16) (local.get $kept0))
        (i64.store (i32.const 24) (local.get $kept1))))
    (i64.store (local.get $time) (local.get $now))
    (i32.const 0))

  ;; Go's only use: to wait for one clock, in relative time. The host suspends the guest meanwhile.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $pollable i32) (local $timeout i64)
    (if (i32.or
          (i32.ne (local.get $count) (i32.const 1))
          ;; The kind of subscription, and the flag of absolute time.
          (i32.or (i32.load8_u offset=8 (local.get $in)) (i32.load16_u offset=40 (local.get $in))))
      (then (return (i32.const 58))))
    (local.set $timeout (i64.load offset=24 (local.get $in)))
    (if (i64.ne (local.get $timeout) (i64.const 0))
      (then
        (local.set $pollable (call $subscribe (local.get $timeout)))
        (call $block (local.get $pollable))
        (call $drop_pollable (local.get $pollable))))
    (memory.fill (local.get $out) (i32.const 0) (i32.const 32))
    (i64.store (local.get $out) (i64.load (local.get $in)))
    (i32.store (local.get $events) (i32.const 1))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; ---- randomness

  (func (export "random_get") (param $buffer i32) (param $length i32) (result i32)
    (local $bits i64)
    (loop $words
      (if (i32.ge_u (local.get $length) (i32.const 8))
        (then
          (i64.store (local.get $buffer) (call $random))
          (local.set $buffer (i32.add (local.get $buffer) (i32.const 8)))
          (local.set $length (i32.sub (local.get $length) (i32.const 8)))
          (br $words))))
    (if (local.get $length) (then (local.set $bits (call $random))))
    (loop $bytes
      (if (local.get $length)
        (then
          (i64.store8 (local.get $buffer) (local.get $bits))
          (local.set $bits (i64.shr_u (local.get $bits) (i64.const 8)))
          (local.set $buffer (i32.add (local.get $buffer) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $bytes))))
    (i32.const 0))

  ;; ---- standard streams

  ;; The handle of an output, or 0 for what is none. The host's handles start at 1.
  (func $output (param $fd i32) (result i32)
    (if (i32.eq (local.get $fd) (i32.const 1))
      (then
        (if (i32.eqz (global.get $stdout)) (then (global.set $stdout (call $get_stdout))))
        (return (global.get $stdout))))
    (if (i32.eq (local.get $fd) (i32.const 2))
      (then
        (if (i32.eqz (global.get $stderr)) (then (global.set $stderr (call $get_stderr))))
        (return (global.get $stderr))))
    (i32.const 0))

  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $stream i32) (local $total i32) (local $kept0 i64) (local $kept1 i64)
    (local.set $stream (call $output (local.get $fd)))
    (if (i32.eqz (local.get $stream)) (then (return (i32.const 8))))
    (loop $next
      (if (local.get $count)
        (then
          (local.set $kept0 (i64.load (i32.const 16)))
          (local.set $kept1 (i64.load (i32.const 24)))
          ;; The host's streams take whatever they are given, so there is no error to look at.
          (call $write (local.get $stream)
            (i32.load (local.get $pieces)) (i32.load offset=4 (local.get $pieces)) (i32.const 16))
          (i64.store (i32.const 16) (local.get $kept0))
          (i64.store (i32.const 24) (local.get $kept1))
          (local.set $total (i32.add (local.get $total) (i32.load offset=4 (local.get $pieces))))
          (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next))))
    (i32.store (local.get $written) (local.get $total))
    (i32.const 0))

  ;; Standard input is at its end.
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  ;; The standard streams are character devices with every right.
  (func (export "fd_fdstat_get") (param $fd i32) (param $stat i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $stat) (i64.const 2))
    (i64.store offset=8 (local.get $stat) (i64.const -1))
    (i64.store offset=16 (local.get $stat) (i64.const -1))
    (i32.const 0))

  (func (export "fd_close") (param $fd i32) (result i32)
    (if (result i32) (i32.gt_u (local.get $fd) (i32.const 2)) (then (i32.const 8)) (else (i32.const 0))))

  ;; ---- the process: no arguments, no environment, and exiting ends the instance

  (func (export "proc_exit") (param $code i32) unreachable)
  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $nothing (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing))
  (export "environ_get" (func $nothing))

  ;; ---- files and sockets: there are none

  (func $no_file1 (param i32) (result i32) (i32.const 8))
  (func $no_file2 (param i32 i32) (result i32) (i32.const 8))
  (func $no_file3 (param i32 i32 i32) (result i32) (i32.const 8))
  (func $no_file_at (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (export "fd_sync" (func $no_file1))
  (export "fd_prestat_get" (func $no_file2))
  (export "fd_filestat_get" (func $no_file2))
  (export "fd_fdstat_set_flags" (func $no_file2))
  (export "fd_prestat_dir_name" (func $no_file3))
  (export "fd_pread" (func $no_file_at))
  (export "fd_pwrite" (func $no_file_at))
  (export "fd_readdir" (func $no_file_at))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))

  (func $no_path3 (param i32 i32 i32) (result i32) (i32.const 76))
  (func $no_path5 (param i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (func $no_path6 (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (export "path_create_directory" (func $no_path3))
  (export "path_remove_directory" (func $no_path3))
  (export "path_unlink_file" (func $no_path3))
  (export "path_filestat_get" (func $no_path5))
  (export "path_symlink" (func $no_path5))
  (export "path_readlink" (func $no_path6))
  (export "path_rename" (func $no_path6))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 76))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 76))

  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 58))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 58)))
