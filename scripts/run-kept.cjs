// Part of the shipped command: evaluates run.cjs with the code that V8 compiled for it during the build. The build runs
// this file as a program, which stores that code. See docs/decisions/0027-compiled-code.md.
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');
const { crc32 } = require('node:zlib');

const filename = join(__dirname, 'run.cjs');
// V8 checks its version, but not the processor.
const keptFile = `${filename}.${process.arch}-${process.versions.v8}`;
const source = readFileSync(filename);

/** A checksum of four bytes at the end of the stored code. V8 compares only lengths, and crashes on damaged code. */
function sumOf(code) {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(code, crc32(source)));
  return sum;
}

/** undefined if there is none for this Node: then V8 compiles the source. */
function keptCode() {
  let file;
  try {
    file = readFileSync(keptFile);
  } catch {
    return undefined;
  }
  const code = file.subarray(0, -4);
  return sumOf(code).equals(file.subarray(-4)) ? code : undefined;
}

/** @param cachedData compiled code, which V8 ignores if it does not match */
function compile(cachedData) {
  // The wrapper is the same as Node's. The bundler writes only ASCII.
  const wrapped = `(function (exports, require, module, __filename, __dirname) {\n${source.latin1Slice()}\n})`;
  return new Script(wrapped, { filename, lineOffset: -1, cachedData });
}

function evaluate(script) {
  script.runInThisContext().call(exports, exports, require, module, filename, __dirname);
}

if (require.main === module) {
  const script = compile();
  try {
    // V8 stores only the code of functions that have run.
    evaluate(script);
  } catch (error) {
    console.error(
      `only a part of the compiled code is kept, because ${filename} does not load here: ${error}`,
    );
  }
  const code = script.createCachedData();
  writeFileSync(keptFile, Buffer.concat([code, sumOf(code)]));
} else {
  evaluate(compile(keptCode()));
}
