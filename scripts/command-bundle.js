// Bundles the command. It is CommonJS, because Node 20 starts it 10 ms faster than the same bundle as ES modules. Code
// that only some configs need is in separate chunks, which are loaded on demand.
import { copyFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { pageAssets } from './page-assets.js';

export const commandOptions = {
  bundle: true,
  // Not 'node', for which yaml exports CommonJS: esbuild removes unused code only from ES modules.
  platform: 'neutral',
  mainFields: ['module', 'main'],
  format: 'cjs',
  target: 'node20.19',
  // Node parses the bundle at every start. The source map explains the stack of a crash.
  minify: true,
  lineLimit: 160,
  sourcemap: 'external',
  // Chunks are loaded by require: import() would send CommonJS through the lexer of the ES module loader, which takes
  // 20 ms.
  supported: { 'dynamic-import': false },
  legalComments: 'none',
  outExtension: { '.js': '.cjs' },
  // The prebuilt native part of koffi stays a separate package.
  external: ['@koromix/*', 'node:*', ...builtinModules],
  define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
  banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
};

/** The chunk of the supervisor, which run-kept.cjs loads. */
const RUN = 'run';

/**
 * Makes each dynamic import of a relative module a separate bundle next to the main one; `chunks` receives its file.
 */
const lazyChunks = (chunks) => ({
  name: 'lazy-chunks',
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\// }, ({ kind, path, importer }) => {
      if (kind !== 'dynamic-import') return undefined;
      const file = resolve(dirname(importer), path);
      const name = basename(file, '.ts');
      chunks.set(name, file);
      return { path: `./${name === RUN ? 'run-kept' : name}.cjs`, external: true };
    });
  },
});

/**
 * Writes the bundles into `outdir`, from the directory of the checkout. Resolves to esbuild's metafiles.
 * @param others options of esbuild
 */
export async function bundleCommand(outdir, { plugins = [], define = {}, ...others } = {}) {
  const chunks = new Map();
  const wanted = {
    ...commandOptions,
    ...others,
    outdir,
    define: { ...commandOptions.define, ...define },
    plugins: [lazyChunks(chunks), pageAssets, ...plugins],
    metafile: true,
  };
  const metafiles = [];
  let next = {
    zero: 'src/cli/main.ts',
    // A separate program, started by its path: see src/workers/spawning/commands.ts.
    'node-launcher': 'src/workers/spawning/node-launcher.ts',
    // Another one: see src/supervisor/keeper/sender-order.ts.
    'lane-sender': 'src/supervisor/keeper/lane-sender.ts',
  };
  for (const built = new Set(); Object.keys(next).length > 0; ) {
    metafiles.push((await build({ ...wanted, entryPoints: next })).metafile);
    for (const name of Object.keys(next)) built.add(name);
    next = Object.fromEntries([...chunks].filter(([name]) => !built.has(name)));
  }
  copyFileSync(new URL('run-kept.cjs', import.meta.url), join(outdir, 'run-kept.cjs'));
  return metafiles;
}
