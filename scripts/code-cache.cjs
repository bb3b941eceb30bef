// Part of the shipped command, beside its chunks: runs a chunk with the code that V8 made of it at the build. Node 20 keeps no compiled
// code between starts, and compiling the supervisor anew is a fifth of its start. Node 22's own cache is written at run time, by default
// into a folder that everybody may write to: not for a program that often runs as root.
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

// V8 refuses code of another version by itself, but not code of another machine.
const cacheOf = (filename) => `${filename}.${process.arch}-${process.versions.v8}`;

/**
 * The chunk's exports, as require() would give them. `refused`: there was no kept code, or V8 did not take it. `keep` writes down what was
 * compiled until then.
 */
function load(filename) {
  const cache = cacheOf(filename);
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
  // The bundler writes nothing but ASCII.
  const source = `(function (exports, require, module, __filename, __dirname) {\n${readFileSync(filename, 'latin1')}\n})`;
  const script = new Script(source, { filename, cachedData, lineOffset: -1 });
  const chunk = { exports: {} };
  const evaluate = script.runInThisContext();
  evaluate.call(chunk.exports, chunk.exports, createRequire(filename), chunk, filename, dirname(filename));
  return {
    exports: chunk.exports,
    refused: script.cachedDataRejected !== false,
    keep: () => writeFileSync(cache, script.createCachedData()),
  };
}

module.exports = { load };
