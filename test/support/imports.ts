import { dirname, join } from 'node:path/posix';

/** The entry point of the command. A file that no entry point reaches is dead. */
const ENTRY_POINTS: readonly string[] = ['src/cli/main.ts'];

/** The entry points of the other programs in the package. */
export const PROGRAM_ENTRY_POINTS: readonly string[] = [
  'src/workers/spawning/node-launcher.ts',
  'src/supervisor/keeper/lane-sender.ts',
  // Everything in one file: scripts/executable.js.
  'src/cli/executable/main.ts',
  'src/cli/executable/native.ts',
];

/** The exports of the package: the library that runs in services. */
export const LIBRARY_ENTRY_POINTS: readonly string[] = [
  'src/service/index.ts',
  'src/service/register/index.ts',
];

/** The entry points of the scripts in this checkout: scripts/config-reference.js. */
export const TOOL_ENTRY_POINTS: readonly string[] = ['src/config/describe.ts'];

/** The only directory that may import the FFI package. */
const FFI = { packageName: 'koffi', module: 'linux' };

/**
 * The library runs inside services, which start children with Node's API. Everywhere else one spawner waits for all
 * children.
 */
const MAY_USE_CHILD_PROCESS: readonly string[] = ['service'];

type Modules = readonly string[] | 'any';

interface Rule {
  /** Modules that may be imported. */
  readonly from: Modules;
  /** Modules of which only types may be imported. Types do not exist in the running program. */
  readonly types: Modules;
  /** Without `node:` modules and packages: the module decides and does not act. */
  readonly pure?: true;
  /**
   * The state of each part is defined next to its transitions, which take the whole state. Its types refer to each
   * other.
   */
  readonly typeCycles?: true;
}

/** Small helpers without their own subject. Every directory may import it, the pure ones only its pure files. */
const COMMON = 'common';

/** Texts from numbers. They import nothing but each other, see `checkOne`. */
const PURE_FILES: readonly string[] = ['src/common/duration.ts', 'src/common/text.ts'];

/** One line per directory of src. No list contains `cli`, because no module imports it. */
const RULES: Readonly<Record<string, Rule>> = {
  [COMMON]: { from: [], types: [] },
  linux: { from: [], types: [] },
  config: { from: [], types: [] },
  lifecycle: { from: [], types: ['config'], pure: true, typeCycles: true },
  listeners: { from: ['linux'], types: ['config', 'lifecycle'] },
  writing: { from: ['linux'], types: [] },
  workers: { from: ['linux', 'writing'], types: ['config', 'lifecycle'] },
  history: { from: ['linux'], types: ['config', 'lifecycle'] },
  watch: { from: ['linux'], types: [] },
  readiness: { from: ['linux'], types: ['config'] },
  facts: { from: [], types: ['lifecycle'], pure: true },
  http: { from: [], types: [] },
  control: { from: ['linux', 'http', 'facts'], types: ['config', 'lifecycle'] },
  // Not linux: admin is a separate chunk, and would contain a second copy of the FFI.
  admin: { from: ['http'], types: ['lifecycle', 'control'] },
  telemetry: { from: ['linux', 'facts', 'writing'], types: ['config', 'lifecycle'] },
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
 * Every module that a source file imports or exports from, also by import() and require(). Static ones are searched for
 * at the start of a line, where the formatter puts them.
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
 * Checks the source files (path from the checkout -> text) against the rules. Returns one line for each violation.
 * `more`: entry points in addition to the command.
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
  const isPure = rule.pure === true || PURE_FILES.includes(path);
  if (!isRelative(specifier)) return checkPackage(module, isPure, specifier, typeOnly);
  const target = join(dirname(path), specifier);
  // A data file such as package.json belongs to no module.
  if (target.endsWith('.json')) return [];
  if (!files.has(target)) return [`imports ${specifier}, which is not a source file`];
  const other = moduleOf(target);
  if (PURE_FILES.includes(path) && !PURE_FILES.includes(target)) return [`imports ${specifier}, but is pure`];
  if (other === module || includes(rule.from, other) || (typeOnly && includes(rule.types, other))) return [];
  if (other === COMMON && (!isPure || PURE_FILES.includes(target))) return [];
  const onlyTypes = includes(rule.types, other) ? ', except for types' : '';
  return [`src/${module} must not import src/${other}${onlyTypes}: ${specifier}`];
}

function checkPackage(module: string, isPure: boolean, specifier: string, typeOnly: boolean): string[] {
  const builtin = specifier.startsWith('node:');
  if (/^(?:node:)?child_process$/.test(specifier) && !MAY_USE_CHILD_PROCESS.includes(module)) {
    return ['imports node:child_process, which would wait for children beside the one spawner'];
  }
  if (!builtin && packageOf(specifier) === FFI.packageName && module !== FFI.module) {
    return [`imports ${FFI.packageName}, which only src/${FFI.module} may`];
  }
  if (isPure && !typeOnly) return [`imports ${specifier}, but src/${module} is pure`];
  return [];
}

/** Searches depth first. Each cycle is reported once, from its first visited file. */
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
