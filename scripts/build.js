// Bundles the command and the library. The command is CommonJS, because Node 20 starts it 10 ms faster than the same bundle as ES modules; everything that a config
// does not ask for is a chunk of its own, loaded when it is asked for.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { licensesOf, packagesOf } from './licenses.js';

const target = 'dist';
/** Beside it, and in its place when it is whole: what runs meanwhile still loads chunks from there. */
const outdir = 'dist.new';
/** The chunk that is a supervisor. */
const WARM = 'run';
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

/** commander could start other executables as sub-commands; zero has none, and loading node:child_process takes 2 ms. */
const noChildProcess = {
  name: 'no-child-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};

/** prom-client's index loads node:http, node:cluster, node:perf_hooks and OpenTelemetry for what zero does not use: 95 ms, 2.4 MB. */
const leanMetrics = {
  name: 'lean-metrics',
  setup({ onLoad }) {
    const used = { Counter: 'counter', Gauge: 'gauge', Histogram: 'histogram', Registry: 'registry' };
    const lines = Object.entries(used).map(([name, file]) => `exports.${name} = require('./lib/${file}');`);
    onLoad({ filter: /\/prom-client\/index\.js$/ }, () => ({ contents: lines.join('\n') }));
  },
};

const options = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // What has no kept code is parsed at every start. A crash is told by the source map.
  minify: true,
  lineLimit: 160,
  sourcemap: 'external',
  // Chunks are loaded by require: import() would send CommonJS through the lexer of the ES module loader, 20 ms for the command.
  supported: { 'dynamic-import': false },
  legalComments: 'none',
  outdir,
  outExtension: { '.js': '.cjs' },
  // The prebuilt native part of koffi stays a package of its own.
  external: ['@koromix/*'],
  // The same library as ES modules, of which what is not used can be left out: 4 ms at start.
  alias: { yaml: resolve('node_modules/yaml/browser/index.js') },
  define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
  banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
  plugins: [lazyChunks, noChildProcess, leanMetrics],
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
for (const built = new Set(); built.size < chunks.size; ) {
  for (const [name, file] of chunks) {
    if (built.has(name)) continue;
    built.add(name);
    await bundle({ ...options, entryPoints: { [name === WARM ? `${name}.code` : name]: file } });
  }
}

// The supervisor comes with the code that V8 makes of it.
copyFileSync('scripts/code-cache.cjs', `${outdir}/code-cache.cjs`);
const load = `require('./code-cache.cjs').load(\`\${__dirname}/${WARM}.code.cjs\`)`;
writeFileSync(`${outdir}/${WARM}.cjs`, `module.exports = ${load}.exports;\n`);
if (process.platform === 'linux')
  execFileSync(process.execPath, ['scripts/keep-code.cjs', outdir], { stdio: 'inherit', timeout: 60_000 });

// The library, as ES modules; a dynamic import stays one, so that a service loads only what it uses.
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
  external: ['koffi'],
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
  external: ['koffi'],
  supported: { 'dynamic-import': false },
  define: { 'import.meta.filename': '__filename' },
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
