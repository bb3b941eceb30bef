// Puts the style and the script of the dashboard into the bundles, minified, as text.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const SOURCES = new URL('../src/admin/page/', import.meta.url);

async function minified(name, loader) {
  const text = readFileSync(new URL(name, SOURCES), 'utf8');
  const { code } = await transform(text, {
    loader,
    minify: true,
    target: loader === 'js' ? 'es2022' : undefined,
  });
  return code.trim();
}

/** An esbuild plugin that replaces src/admin/dashboard/assets.ts. */
export const pageAssets = {
  name: 'page-assets',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/admin\/dashboard\/assets\.ts$/ }, async () => {
      const [style, script] = await Promise.all([
        minified('dashboard.css', 'css'),
        minified('dashboard.js', 'js'),
      ]);
      return {
        contents: `export const STYLE = ${JSON.stringify(style)};\nexport const SCRIPT = ${JSON.stringify(script)};\n`,
        watchFiles: ['dashboard.css', 'dashboard.js'].map((name) => fileURLToPath(new URL(name, SOURCES))),
      };
    });
  },
};
