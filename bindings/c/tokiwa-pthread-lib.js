// For emcc -pthread --js-library, after tokiwa-lib.js: loops that several threads run (tokiwa-loops.h), in the guest's own memory.
//
// Every thread, the main one included, has an instance of guest-loops.wasm over that memory. On pthreads its exports are what
// tokiwa.h declares; on the main thread those are Module.tokiwa's as ever, which ask this one about tasks of such loops.
(function () {
  // Given to the module by a name, so that no JavaScript stands in between.
  const loops = ['tk_loop_new', 'tk_loop_free', 'tk_loop_stop', 'tk_loop_runners', 'tk_loop_alive', 'tk_loop_run', 'tk_spawn_on', 'tk_spawn_detached_on'];
  const library = {
    $tokiwaLoopsMake: function () {
      var code = atob('TOKIWA_LOOPS_BASE64');
      var bytes = new Uint8Array(code.length);
      for (var i = 0; i < code.length; i++) bytes[i] = code.charCodeAt(i);
      var filled = 1;
      // Each thread of Node reads the wall clock for its origin, and may be held before it reads the other one: up to 40 ms apart. Its
      // hrtime is that of the process; held in between, the difference is too small.
      var origin = performance.timeOrigin;
      if (ENVIRONMENT_IS_NODE) {
        origin = 0;
        for (var tries = 0; tries < 5; tries++) {
          var time = process["hrtime"]();
          origin = Math.max(origin, time[0] * 1e3 + time[1] / 1e6 - performance.now());
        }
      }
      function now() { return origin + performance.now(); }
      var nobody = ENVIRONMENT_IS_PTHREAD && new Int32Array(new SharedArrayBuffer(4));
      function fill() {
        if (calls["table"].length < wasmTable.length) calls["table"].grow(wasmTable.length - calls["table"].length);
        for (; filled < wasmTable.length; filled++) calls["table"].set(filled, wasmTable.get(filled));
      }
      var calls = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
        "env": { "memory": wasmMemory },
        "host": {
          "root": function () {
            fill();
            var words = new Int32Array(wasmMemory.buffer);
            var place = Module["_tk_shared_root"]() >>> 2;
            var root = Atomics.load(words, place);
            if (root === 0) {
              var made = calls["format"]();
              if (made === 0) return 0;
              root = Atomics.compareExchange(words, place, 0, made);
              if (root === 0) root = made;
            }
            calls["init"](root, wasmTable.length, ENVIRONMENT_IS_PTHREAD ? 1 : 0);
            return root;
          },
          // Called with a lock held: whatever malloc() does, it must come back.
          "allocate": function (n) { try { return Module["_tk_alloc"](n); } catch (e) { return 0; } },
          "free": function (p, n) { Module["_tk_free"](p, n); },
          "growTable": function (fn) {
            if ((fn >>> 0) >= wasmTable.length) return 0;
            fill();
            calls["setLimit"](wasmTable.length);
            return 1;
          },
          // A lock's holder may have been taken off its core.
          "nap": function () { Atomics.wait(nobody, 0, 0, 0.1); },
          "now": now,
        },
      })["exports"];
      /** Runs `body`, again and again while tasks trap. */
      function pastTraps(body) {
        var sp = stackSave();
        for (;;) {
          try {
            return body();
          } catch (e) {
            if (e === 'unwind' || (e && e.name === 'ExitStatus')) throw e;
            stackRestore(sp);
            err('tokiwa: task ' + calls["trapped"]() + ' trapped: ' + e);
          }
        }
      }
      function inside(loop, body) {
        var entered = calls["enter"](loop);
        if (entered !== 1) return entered;
        try {
          return pastTraps(body);
        } finally {
          calls["leave"]();
        }
      }
      var own = {
        "tk_loop_free": function (loop) {
          var claimed = calls["claimLoop"](loop);
          return claimed === 1 ? pastTraps(calls["finishFree"]) : claimed;
        },
        "tk_loop_alive": calls["tk_alive"],
        "tk_loop_run": function (loop) { return ENVIRONMENT_IS_PTHREAD ? inside(loop, calls["run"]) : -4; },
        "tk_drive": function (loop, polls, ms) {
          if (!(polls >= 0) || !(ms >= 0)) return -1;
          return inside(loop, function () { return calls["drive"](polls, now() + ms); });
        },
      };
      function missing() { return -10; }
      return { "calls": calls, "pick": function (name) { return own[name] || calls[name] || missing; } };
    },
    $tokiwaLoops__deps: ['$tokiwaLoopsMake'],
    $tokiwaLoops: '=tokiwaLoopsMake()',
    $tokiwaImport__deps: ['$tokiwaLoops'],
    $tokiwaImport: function (name) {
      if (ENVIRONMENT_IS_PTHREAD) return tokiwaLoops["pick"](name);      // factory arguments do not reach this thread
      if (name.indexOf("tk_loop_") === 0 && name !== "tk_loop_main" || name.indexOf("_on") === name.length - 3 && name.indexOf("tk_spawn") === 0) return tokiwaLoops["pick"](name);
      var tokiwa = Module["tokiwa"];
      if (!tokiwa) throw new Error('this module runs on tokiwa: start it with attach(runtime, factory), or give it { tokiwa: guestImports(runtime) }');
      return tokiwa[name];
    },
    $tokiwaLoopsLinked__deps: ['$tokiwaImport', '$tokiwaLoops'],
    $tokiwaLoopsLinked: '=ENVIRONMENT_IS_PTHREAD || tokiwaImport("linkLoops")({ "calls": tokiwaLoops["calls"], "memory": function() { return wasmMemory; },'
      + ' "workers": function() { return PThread.runningWorkers.concat(PThread.unusedWorkers); } })',
  };
  for (const name of loops) {
    library[name] = '=tokiwaImport("' + name + '")';
    library[name + '__deps'] = ['$tokiwaLinked', '$tokiwaLoopsLinked'];
  }
  mergeInto(LibraryManager.library, library);
})();
