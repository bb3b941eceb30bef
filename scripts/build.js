// Bundles the command and the library. The command is CommonJS, because Node 20 starts it 10 ms faster than the same bundle as ES modules; everything that a config
// does not ask for is a chunk of its own, loaded when it is asked for.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { licensesOf, packagesOf } from './licenses.js';

const target = 'dist';
/** Beside it, and in its place when it is whole: what runs meanwhile still loads chunks from there. */
const outdir = 'dist.new';
const chunks = new Map();

/** Makes each dynamic import of a relative module a bundle of its own beside the main one. */
const lazyChunks = {
  name: 'lazy-chunks',
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\// }, ({ kind, path, importer }) => {
      if (kind !== 'dynamic-import') return undefined;
      const file = resolve(dirname(importer), path);
      const name = basename(file, '.ts');
      chunks.set(name, file);
      return { path: `./${name}.cjs`, external: true };
    });
  },
};

const options = {
  bundle: true,
  // Not 'node', for which yaml exports CommonJS: from ES modules esbuild drops what zero does not use.
  platform: 'neutral',
  mainFields: ['module', 'main'],
  format: 'cjs',
  target: 'node20.19',
  // Node parses the bundle at every start. The source map explains the stack of a crash.
  minify: true,
  lineLimit: 160,
  sourcemap: 'external',
  // Chunks are loaded by require: import() would send CommonJS through the lexer of the ES module loader, 20 ms for the command.
  supported: { 'dynamic-import': false },
  legalComments: 'none',
  outdir,
  outExtension: { '.js': '.cjs' },
  // The prebuilt native part of koffi stays a package of its own.
  external: ['@koromix/*', 'node:*', ...builtinModules],
  define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
  banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
  plugins: [lazyChunks],
  logLevel: 'warning',
};

const packages = [];

async function bundle(wanted) {
  const { metafile } = await build({ ...wanted, metafile: true });
  packages.push(...packagesOf(metafile));
}

rmSync(outdir, { recursive: true, force: true });
await bundle({ ...options, entryPoints: { zero: 'src/cli/main.ts' } });
// A program of its own, started by its path: see src/workers/commands.ts.
await bundle({ ...options, entryPoints: { 'node-launcher': 'src/workers/node-launcher.ts' } });
// Another one: see src/supervisor/keeper/sender-order.ts.
await bundle({ ...options, entryPoints: { 'lane-sender': 'src/supervisor/keeper/lane-sender.ts' } });
for (const built = new Set(); built.size < chunks.size; ) {
  for (const [name, file] of chunks) {
    if (built.has(name)) continue;
    built.add(name);
    await bundle({ ...options, entryPoints: { [name]: file } });
  }
}

// The library, as ES modules; a dynamic import stays one, so that a service loads only what it uses. koffi is bundled
// here as well: the package koffi has an install script, of which npm 11 would warn everybody who installs zerodown.
await bundle({
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  minifySyntax: true,
  sourcemap: 'linked',
  sourcesContent: false,
  outdir: `${outdir}/service`,
  external: ['@koromix/*'],
  logLevel: 'warning',
  entryPoints: { index: 'src/service/index.ts' },
});

// What is loaded in front of a program, as CommonJS: see src/service/register/node-options.ts. One file, whose
// modules run when they are required.
await bundle({
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  minifySyntax: true,
  sourcemap: 'external',
  outdir: `${outdir}/service`,
  outExtension: { '.js': '.cjs' },
  external: ['@koromix/*'],
  supported: { 'dynamic-import': false },
  // createRequire takes a path as well as a URL.
  define: {
    'import.meta.dirname': '__dirname',
    'import.meta.filename': '__filename',
    'import.meta.url': '__filename',
  },
  logLevel: 'warning',
  entryPoints: { register: 'src/service/register/index.ts' },
});
// By this name configs load it with --import.
writeFileSync(`${outdir}/service/register.js`, "import './register.cjs';\n");

// Its types. Sources name each other with .ts, which only a project that allows it may import.
execFileSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.library.json', '--outDir', `${outdir}/types`],
  {
    stdio: 'inherit',
  },
);
const types = `${outdir}/types`;
for (const name of readdirSync(types, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const text = readFileSync(join(types, name), 'utf8');
  writeFileSync(join(types, name), text.replaceAll(/(['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2'));
}

writeFileSync(`${outdir}/licenses.txt`, licensesOf(packages));

const before = `${target}.old`;
rmSync(before, { recursive: true, force: true });
if (existsSync(target)) renameSync(target, before);
renameSync(outdir, target);
rmSync(before, { recursive: true, force: true });
