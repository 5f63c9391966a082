// For emcc --js-library, beside tokiwa-lib.js: the functions of tokiwa-threads.h. Part of a module only when it uses them.
(function () {
  const names = [
    'tk_thread_new', 'tk_thread_exec', 'tk_thread_exec_poll', 'tk_thread_exec_js', 'tk_thread_terminate', 'tk_thread_detach', 'tk_spawn_blocking',
    'tk_job_start', 'tk_job_result', 'tk_job_length', 'tk_job_take', 'tk_job_abort', 'tk_job_drop',
  ];
  const library = {
    // The script names itself, so that threads can load it: import.meta.url, in releases from 3.1.51 on as _scriptName.
    $tokiwaThreadsLinked__deps: ['$tokiwaImport'],
    $tokiwaThreadsLinked: '=tokiwaImport("linkThreads")({ "script": typeof _scriptDir != "undefined" ? _scriptDir : typeof _scriptName != "undefined" ? _scriptName : undefined,'
      + ' "binary": Module["wasmBinary"], "free": function(p, n) { Module["_tk_free"] && Module["_tk_free"](p, n); } })',
  };
  for (const name of names) {
    library[name] = '=tokiwaImport("' + name + '")';
    library[name + '__deps'] = ['$tokiwaLinked', '$tokiwaThreadsLinked'];
  }
  mergeInto(LibraryManager.library, library);
})();
