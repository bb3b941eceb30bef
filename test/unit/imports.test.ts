import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  checkImports,
  importsOf,
  LIBRARY_ENTRY_POINTS,
  PROGRAM_ENTRY_POINTS,
  TOOL_ENTRY_POINTS,
} from '../support/imports.ts';
import { ROOT } from '../support/paths.ts';

const MAIN = 'src/cli/main.ts';

/** Files with their imports. The main file imports those in `alive`, by default all. */
function check(sources: Record<string, string>, alive: readonly string[] = Object.keys(sources)): string[] {
  const imports = alive.map((path) => `import '${path.replace('src/', '../')}';\n`).join('');
  return checkImports(new Map(Object.entries({ [MAIN]: imports, ...sources })));
}

test('src follows the import rules', () => {
  const names = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const files = new Map(names.map((name) => [`src/${name}`, readFileSync(join(ROOT, 'src', name), 'utf8')]));
  const entryPoints = [...PROGRAM_ENTRY_POINTS, ...LIBRARY_ENTRY_POINTS, ...TOOL_ENTRY_POINTS];
  assert.deepEqual(checkImports(files, entryPoints), []);
});

test('every form of import is found', () => {
  const source = [
    "import './side.ts';",
    "import one from './default.ts';",
    "import * as all from './star.ts';",
    "import one, { two } from './both.ts';",
    "import {\n  three,\n  type Four,\n} from './lines.ts';",
    "import type { Five } from './type.ts';",
    "export { six } from './export.ts';",
    "export * from './export-star.ts';",
    "export type { Seven } from './export-type.ts';",
    "const lazy = await import('./lazy.ts');",
    "const old = createRequire(import.meta.url)('x'); const koffi = require('koffi');",
    "process.getBuiltinModule('node:child_process');",
    "// import './comment.ts';",
    "/** import('./doc.ts') */",
    " * import './doc.ts'",
  ].join('\n');
  assert.deepEqual(
    importsOf(source).map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier)),
    [
      './side.ts',
      './default.ts',
      './star.ts',
      './both.ts',
      './lines.ts',
      'type ./type.ts',
      './export.ts',
      './export-star.ts',
      'type ./export-type.ts',
      './lazy.ts',
      'koffi',
      'node:child_process',
    ],
  );
});

test('allowed imports are accepted', () => {
  const sources = {
    'src/linux/a.ts': "import koffi from 'koffi';\nimport { readFileSync } from 'node:fs';\n",
    'src/config/a.ts': "import { parse } from 'yaml';\n",
    'src/lifecycle/a.ts': "import type { Config } from '../config/a.ts';\n",
    'src/workers/a.ts':
      "import { x } from '../linux/a.ts';\nimport type { C } from '../config/a.ts';\nimport './b.ts';\n",
    'src/workers/b.ts': '',
    'src/telemetry/a.ts': "import type { Fact } from '../lifecycle/a.ts';\nimport pino from 'pino';\n",
    'src/supervisor/a.ts':
      "import '../lifecycle/a.ts';\nimport '../workers/a.ts';\nimport '../config/a.ts';\n",
    'src/cli/version.ts': "import manifest from '../../package.json' with { type: 'json' };\n",
  };
  assert.deepEqual(check(sources), []);
});

const VIOLATIONS: readonly [string, Record<string, string>, RegExp][] = [
  [
    'linux imports another module',
    { 'src/linux/a.ts': "import type { C } from '../config/a.ts';\n" },
    /linux must not import src\/config/,
  ],
  [
    'config imports another module',
    { 'src/config/b.ts': "import '../workers/a.ts';\n" },
    /config must not import src\/workers/,
  ],
  [
    'lifecycle imports a value of config',
    { 'src/lifecycle/a.ts': "import { c } from '../config/a.ts';\n" },
    /except for types/,
  ],
  [
    'lifecycle imports Node',
    { 'src/lifecycle/a.ts': "import { join } from 'node:path';\n" },
    /lifecycle is pure/,
  ],
  [
    'lifecycle imports a file of common that is not pure',
    { 'src/lifecycle/a.ts': "import { now } from '../common/clock.ts';\n", 'src/common/clock.ts': '' },
    /lifecycle must not import src\/common/,
  ],
  [
    'a pure file of common imports another one',
    { 'src/common/duration.ts': "import { now } from './clock.ts';\n", 'src/common/clock.ts': '' },
    /imports .\/clock.ts, but is pure/,
  ],
  ['lifecycle imports a package', { 'src/lifecycle/a.ts': "import x from 'zod';\n" }, /lifecycle is pure/],
  [
    'readiness imports workers',
    { 'src/readiness/a.ts': "import type { W } from '../workers/a.ts';\n" },
    /readiness must not import src\/workers/,
  ],
  [
    'workers imports listeners',
    { 'src/workers/b.ts': "import '../listeners/a.ts';\n" },
    /workers must not import src\/listeners/,
  ],
  [
    'a lazy import counts',
    { 'src/listeners/b.ts': "const x = await import('../readiness/a.ts');\n" },
    /listeners must not import src\/readiness/,
  ],
  [
    'telemetry imports a value of lifecycle',
    { 'src/telemetry/a.ts': "import '../lifecycle/b.ts';\n" },
    /except for types/,
  ],
  [
    'another module imports cli',
    { 'src/supervisor/a.ts': "import '../cli/main.ts';\n" },
    /supervisor must not import src\/cli/,
  ],
  [
    'koffi outside linux',
    { 'src/workers/b.ts': "import koffi from 'koffi';\n" },
    /koffi, which only src\/linux may/,
  ],
  [
    'child_process',
    { 'src/supervisor/a.ts': "import { spawn } from 'node:child_process';\n" },
    /imports node:child_process/,
  ],
  [
    'child_process without its prefix',
    { 'src/cli/b.ts': "import { spawn } from 'child_process';\n" },
    /imports node:child_process/,
  ],
  [
    'child_process by require',
    { 'src/linux/b.ts': "const x = require('child_process');\n" },
    /imports node:child_process/,
  ],
  ['a missing file', { 'src/cli/b.ts': "import './c.ts';\n" }, /which is not a source file/],
  ['a module without a rule', { 'src/misc/a.ts': '' }, /src\/misc is not a module/],
];

const NEIGHBOURS = Object.fromEntries(
  ['config/a', 'workers/a', 'listeners/a', 'readiness/a', 'lifecycle/b'].map((name) => [
    `src/${name}.ts`,
    '',
  ]),
);

for (const [name, sources, expected] of VIOLATIONS) {
  test(`refused: ${name}`, () => {
    const found = check({ ...NEIGHBOURS, ...sources }).filter((line) => !line.startsWith('cycle'));
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', expected);
  });
}

test('in lifecycle types may be cyclic, values may not', () => {
  const types = {
    'src/lifecycle/state.ts': "import type { Worker } from './worker.ts';\n",
    'src/lifecycle/worker.ts': "import type { State } from './state.ts';\n",
  };
  assert.deepEqual(check(types), []);
  const values = { ...types, 'src/lifecycle/state.ts': "import { stop } from './worker.ts';\n" };
  const back = { ...values, 'src/lifecycle/worker.ts': "import { find } from './state.ts';\n" };
  assert.deepEqual(check(values), []);
  assert.equal(check(back).length, 1);
});

test('a cycle is found, also through type imports', () => {
  const sources = {
    'src/config/a.ts': "import './b.ts';\n",
    'src/config/b.ts': "import type { C } from './c.ts';\n",
    'src/config/c.ts': "export * from './a.ts';\n",
  };
  assert.deepEqual(check(sources), [
    'cycle: src/config/a.ts -> src/config/b.ts -> src/config/c.ts -> src/config/a.ts',
  ]);
});

test('an unreachable file is found, even if it imports reachable files', () => {
  const sources = { 'src/config/a.ts': '', 'src/config/dead.ts': "import './a.ts';\n" };
  assert.deepEqual(check(sources, ['src/config/a.ts']), [
    'src/config/dead.ts: dead, no entry point reaches it',
  ]);
});

test('a missing entry point is found', () => {
  assert.deepEqual(checkImports(new Map()), ['src/cli/main.ts: the entry point does not exist']);
});
