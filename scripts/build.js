// Bundles the command and the library.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundleCommand } from './command-bundle.js';
import { licensesOf, packagesOf } from './licenses.js';

const target = 'dist';
/** Beside it, and in its place when it is whole: what runs meanwhile still loads chunks from there. */
const outdir = 'dist.new';

const packages = [];

async function bundle(wanted) {
  const { metafile } = await build({ ...wanted, metafile: true });
  packages.push(...packagesOf(metafile));
}

rmSync(outdir, { recursive: true, force: true });
for (const metafile of await bundleCommand(outdir)) packages.push(...packagesOf(metafile));
// Keeps the code that V8 compiles for the supervisor.
execFileSync(process.execPath, [join(outdir, 'run-kept.cjs')], { stdio: 'inherit' });

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
