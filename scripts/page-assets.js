// Inserts the style and the script of the dashboard into the bundles, minified, as text.
import { readFileSync } from 'node:fs';
import { transform } from 'esbuild';

const SOURCES = new URL('../src/admin/page/', import.meta.url);

async function minified(names, options) {
  const text = names.map((name) => readFileSync(new URL(name, SOURCES), 'utf8')).join('');
  return (await transform(text, { minify: true, ...options })).code.trim();
}

/** An esbuild plugin that replaces src/admin/dashboard/assets.ts. */
export const pageAssets = {
  name: 'page-assets',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/admin\/dashboard\/assets\.ts$/ }, async () => {
      const style = await minified(['layout.css', 'parts.css'], { loader: 'css' });
      const script = await minified(['dashboard.js'], { loader: 'js', target: 'es2022' });
      return {
        contents: `export const STYLE = ${JSON.stringify(style)};\nexport const SCRIPT = ${JSON.stringify(script)};\n`,
      };
    });
  },
};
