import { readFileSync } from 'node:fs';

/*
 * The style and the script of the dashboard. In the bundles this module is replaced by one that contains both texts,
 * minified (scripts/page-assets.js). In the tests it reads the sources of the checkout.
 */

/** Relative to build/src/admin/dashboard, from which the tests run it. */
const SOURCES = new URL('../../../../src/admin/page/', import.meta.url);

const textOf = (name: string) => readFileSync(new URL(name, SOURCES), 'utf8');

export const STYLE = `${textOf('layout.css')}${textOf('parts.css')}`;
export const SCRIPT = textOf('dashboard.js');
