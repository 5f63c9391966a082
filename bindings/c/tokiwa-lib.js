// For emcc --js-library: takes tk_* from Module.tokiwa, as Wasm functions, straight into the module's imports.
//
// An entry `'=expression'` becomes `var _tk_x = expression`, so no JavaScript frame stands between guest and core
// (a frame would cost 4 ns a call, and forbid suspending), and the names survive -O3.
(function () {
  const names = [
    'tk_spawn', 'tk_spawn_detached', 'tk_wake', 'tk_abort', 'tk_detach', 'tk_is_live', 'tk_join_start', 'tk_result', 'tk_coop',
    'tk_now', 'tk_timer_begin', 'tk_timer_tick', 'tk_timer_end', 'tk_timer_fired',
    'tk_loop_main', 'tk_drive', 'tk_next_timeout_ms', 'tk_alive',
    'tk_await_start', 'tk_promise_drop', 'tk_promise_from_task',
    'tk_block_supported', 'tk_spawn_stack', 'tk_current', 'tk_sleep', 'tk_yield', 'tk_block_on', 'tk_join_wait', 'tk_await_wait',
    'tk_io_fetch', 'tk_io_websocket', 'tk_io_tcp', 'tk_io_unix', 'tk_io_poll', 'tk_io_read', 'tk_io_left', 'tk_io_write', 'tk_io_write_text',
    'tk_io_shutdown', 'tk_io_status', 'tk_io_header', 'tk_io_error', 'tk_io_close', 'tk_io_wait',
  ];
  const library = {
    $tokiwaImport: function (name) {
      var tokiwa = Module["tokiwa"];
      if (!tokiwa) throw new Error('this module runs on tokiwa: start it with attach(runtime, factory), or give it { tokiwa: guestImports(runtime) }');
      return tokiwa[name];
    },
    $tokiwaLinked__deps: ['$tokiwaImport'],
    $tokiwaLinked: '=tokiwaImport("link")({ "table": function() { return wasmTable; }, "memory": function() { return wasmMemory; },'
      + ' "exports": function() { return Module["asm"] || wasmExports; }, "stackSave": function() { return stackSave(); },'
      + ' "stackRestore": function(p) { stackRestore(p); }, "malloc": function(n) { return Module["_tk_alloc"] ? Module["_tk_alloc"](n) : 0; } })',
  };
  for (const name of names) {
    library[name] = '=tokiwaImport("' + name + '")';
    library[name + '__deps'] = ['$tokiwaLinked'];
  }
  mergeInto(LibraryManager.library, library);
})();
