// Bundles the command and the library.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundleCommand } from './command-bundle.js';
import { licensesOf, packagesOf } from './licenses.js';

const target = 'dist';
/** The new folder replaces dist when it is complete: running programs still load chunks from dist. */
const outdir = 'dist.new';

const packages = [];

async function bundle(wanted) {
  const { metafile } = await build({ ...wanted, metafile: true });
  packages.push(...packagesOf(metafile));
}

rmSync(outdir, { recursive: true, force: true });
for (const metafile of await bundleCommand(outdir)) packages.push(...packagesOf(metafile));
// Stores the code that V8 compiles for the supervisor.
execFileSync(process.execPath, [join(outdir, 'run-kept.cjs')], { stdio: 'inherit' });

// The library, as ES modules. Dynamic imports are kept, so that a service loads only the code that it uses. koffi is
// bundled here as well: the package koffi has an install script, about which npm 11 would warn everyone who installs
// zerodown.
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

// The module that is loaded before a program, as CommonJS: see src/service/register/node-options.ts. One file, whose
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
// Configs load it by this name with --import.
writeFileSync(`${outdir}/service/register.js`, "import './register.cjs';\n");

// The types of the library. Sources import each other with .ts, which only a project that allows it may do.
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
