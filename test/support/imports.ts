import { dirname, join } from 'node:path/posix';

/** Where the command begins. What cannot be reached from an entry point is dead. */
const ENTRY_POINTS: readonly string[] = ['src/cli/main.ts'];

/** Where the other programs begin that the package consists of. */
export const PROGRAM_ENTRY_POINTS: readonly string[] = [
  'src/workers/spawning/node-launcher.ts',
  'src/supervisor/keeper/lane-sender.ts',
  // All of them in one file: scripts/executable.js.
  'src/cli/executable/main.ts',
  'src/cli/executable/native.ts',
];

/** What the package exports: the library that runs in services. */
export const LIBRARY_ENTRY_POINTS: readonly string[] = [
  'src/service/index.ts',
  'src/service/register/index.ts',
];

/** What the scripts of this checkout begin with: scripts/config-reference.js. */
export const TOOL_ENTRY_POINTS: readonly string[] = ['src/config/describe.ts'];

/** The door to the kernel, and the only folder that may import the FFI package. */
const FFI = { packageName: 'koffi', module: 'linux' };

/** Runs inside services, which start children with Node's own means. Everywhere else one spawner owns all waiting for children. */
const MAY_USE_CHILD_PROCESS: readonly string[] = ['service'];

type Modules = readonly string[] | 'any';

interface Rule {
  /** Modules that may be imported from. */
  readonly from: Modules;
  /** Modules that only types may be imported from, which leave nothing in the running program. */
  readonly types: Modules;
  /** No `node:` module and no package: the module decides and does not act. */
  readonly pure?: true;
  /**
   * The state of each part is defined beside its transitions, which take the state of the whole: types name each
   * other there.
   */
  readonly typeCycles?: true;
}

/** Small helpers that have no subject of their own. Every folder may import it, except for those that are pure. */
const COMMON = 'common';

/** One line per folder of src. `cli` is in nobody's list: nobody imports it. */
const RULES: Readonly<Record<string, Rule>> = {
  [COMMON]: { from: [], types: [] },
  linux: { from: [], types: [] },
  config: { from: [], types: [] },
  lifecycle: { from: [], types: ['config'], pure: true, typeCycles: true },
  listeners: { from: ['linux'], types: ['config', 'lifecycle'] },
  workers: { from: ['linux'], types: ['config', 'lifecycle'] },
  history: { from: ['linux'], types: ['config', 'lifecycle'] },
  watch: { from: ['linux'], types: [] },
  readiness: { from: ['linux'], types: ['config'] },
  facts: { from: [], types: ['lifecycle'], pure: true },
  http: { from: [], types: [] },
  control: { from: ['linux', 'http', 'facts'], types: ['config', 'lifecycle'] },
  // Not linux: it is a chunk of its own, and would bring a second copy of the FFI.
  admin: { from: ['http'], types: ['lifecycle', 'control'] },
  telemetry: { from: ['linux', 'facts'], types: ['config', 'lifecycle'] },
  service: { from: ['linux'], types: [] },
  supervisor: { from: 'any', types: 'any' },
  cli: { from: 'any', types: 'any' },
};

export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[\w$*{][^'"`;=()]*?\sfrom\s*)?['"]([^'"\n]+)['"]/gm;
const CALLED = /\b(?:import|require|getBuiltinModule|register)\(\s*['"`]([^'"`\n]+)['"`]/g;
const COMMENT = /^\s*(?:\/\/|\/?\*).*$/gm;

/**
 * Every module that a source file names: import, export from, import(), require(). Static ones are looked for at the start of a line, which
 * is where the formatter puts them.
 */
export function importsOf(source: string): Import[] {
  const text = source.replace(COMMENT, '');
  const statics = [...text.matchAll(STATIC)].map(([, type, specifier = '']) => ({
    specifier,
    typeOnly: type !== undefined,
  }));
  const called = [...text.matchAll(CALLED)].map(([, specifier = '']) => ({ specifier, typeOnly: false }));
  return [...statics, ...called];
}

const moduleOf = (path: string): string => (path.split('/').length > 2 ? (path.split('/')[1] ?? '') : '');
const isRelative = (specifier: string): boolean => /^\.\.?\//.test(specifier);
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
const includes = (modules: Modules, module: string): boolean =>
  module !== 'cli' && (modules === 'any' || modules.includes(module));

/**
 * Checks the source files (path from the checkout -> text) against the rules. Returns one line for each violation, empty when all is well.
 * `more`: what is alive beside the command and what it reaches.
 */
export function checkImports(files: ReadonlyMap<string, string>, more: readonly string[] = []): string[] {
  const graph = new Map<string, string[]>();
  const dependencies = new Map<string, string[]>();
  const violations: string[] = [];
  for (const [path, source] of files) {
    const edges: string[] = [];
    const needed: string[] = [];
    if (RULES[moduleOf(path)] === undefined)
      violations.push(`${path}: src/${moduleOf(path)} is not a module with a rule`);
    for (const found of importsOf(source)) {
      violations.push(...checkOne(path, found, files).map((message) => `${path}: ${message}`));
      const target = isRelative(found.specifier) ? join(dirname(path), found.specifier) : null;
      if (target === null || !files.has(target)) continue;
      edges.push(target);
      const mayCycle =
        found.typeOnly && moduleOf(target) === moduleOf(path) && RULES[moduleOf(path)]?.typeCycles;
      if (!mayCycle) needed.push(target);
    }
    graph.set(path, edges);
    dependencies.set(path, needed);
  }
  return [...violations, ...findCycles(dependencies), ...findDead(graph, [...ENTRY_POINTS, ...more])];
}

function checkOne(
  path: string,
  { specifier, typeOnly }: Import,
  files: ReadonlyMap<string, string>,
): string[] {
  const module = moduleOf(path);
  const rule = RULES[module];
  if (rule === undefined) return [];
  if (!isRelative(specifier)) return checkPackage(module, rule, specifier, typeOnly);
  const target = join(dirname(path), specifier);
  // Data such as package.json belongs to no module.
  if (target.endsWith('.json')) return [];
  if (!files.has(target)) return [`imports ${specifier}, which is not a source file`];
  const other = moduleOf(target);
  if (other === module || includes(rule.from, other) || (typeOnly && includes(rule.types, other))) return [];
  if (other === COMMON && rule.pure !== true) return [];
  const onlyTypes = includes(rule.types, other) ? ', except for types' : '';
  return [`src/${module} must not import src/${other}${onlyTypes}: ${specifier}`];
}

function checkPackage(module: string, rule: Rule, specifier: string, typeOnly: boolean): string[] {
  const builtin = specifier.startsWith('node:');
  if (/^(?:node:)?child_process$/.test(specifier) && !MAY_USE_CHILD_PROCESS.includes(module)) {
    return ['imports node:child_process, which would wait for children beside the one spawner'];
  }
  if (!builtin && packageOf(specifier) === FFI.packageName && module !== FFI.module) {
    return [`imports ${FFI.packageName}, which only src/${FFI.module} may`];
  }
  if (rule.pure === true && !typeOnly) return [`imports ${specifier}, but src/${module} is pure`];
  return [];
}

/** Depth first; each cycle is reported once, from where it was entered. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      cycles.push(`cycle: ${[...path.slice(at), file].join(' -> ')}`);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

function findDead(graph: ReadonlyMap<string, readonly string[]>, entryPoints: readonly string[]): string[] {
  const missing = entryPoints
    .filter((entry) => !graph.has(entry))
    .map((entry) => `${entry}: the entry point does not exist`);
  const alive = new Set<string>();
  const queue = [...entryPoints];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (alive.has(file)) continue;
    alive.add(file);
    queue.push(...(graph.get(file) ?? []));
  }
  const dead = [...graph.keys()]
    .filter((file) => !alive.has(file))
    .map((file) => `${file}: dead, no entry point reaches it`);
  return [...missing, ...dead];
}
