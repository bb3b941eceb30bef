import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse, stringify } from 'yaml';
import { formatProblem, parseConfig } from '../../src/config/index.ts';
import { ROOT } from '../support/paths.ts';

const WIDTH = 120;

/** The README has fewer lines. */
const README_LINES = 150;

const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

/** The files in these directories, by their path in the project. npm run compat installs packages in one of them. */
function filesIn(...folders: readonly string[]): string[] {
  const names = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  return names.filter((name) => !name.includes('/node_modules/'));
}

/** The Markdown files of the project, by their path in it. */
function documents(): string[] {
  return [...readdirSync(ROOT), ...filesIn('docs', 'examples')].filter((name) => name.endsWith('.md')).sort();
}

/** The lines of prose with their numbers, without tables, code, and lines of one word such as an address. */
function* proseLines(text: string): Generator<readonly [number: number, line: string]> {
  let inCode = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*```/.test(line)) inCode = !inCode;
    const isOther = inCode || /^(\||\s{4})/.test(line) || !line.trim().includes(' ');
    if (!isOther) yield [index + 1, line];
  }
}

type Words = readonly (readonly [RegExp, string])[];

/** Words that documents of this project avoid, each with its replacement. */
const WORDS: Words = [
  [/\bwithout a word\b/, 'unexpectedly'],
  [/\bthere is no such\b/, '"unknown", "does not exist"'],
  [/\bis no (listener|number|socket|file|duration|signal|address)\b/, '"unknown ...", "must be ..."'],
  [/\blets? go of\b/, 'release'],
  [/\brelief worker|\brelieves a lane\b/, 'rescue worker'],
  [/\bgoes on serving\b/, 'keeps serving'],
  [/\bcarr(y|ies) on\b/, 'continue'],
  [/\bis there twice\b/, 'duplicate'],
  [/\bstrangers?\b/, 'foreign sockets'],
  [/\bwhoever\b/i, 'who it is'],
];

/** The same for messages of zero: texts of commands, errors, events and help. */
const MESSAGE_WORDS: Words = [
  ...WORDS,
  [/(?<!there )\bis no (?!longer|other)\w/, '"is not a ...", "unknown ...", "must be ..."'],
  [/\bnobody\b/, 'who it is'],
  [/\btold\b/, 'asked, notified'],
  [/\bgo(es)? on\b/, 'continue, keep'],
  [/\bgo(es)? back to\b/, 'roll back to, return to'],
  [/\blets? go\b/, 'release, stop'],
  [/\bhangs\b/, 'is hung'],
  [/\b(is|are|has) (gone|left)\b(?! out)/, 'exits, has exited, does not exist any more'],
  [/\bspeaks?\b/, 'uses'],
  [/\bfolders?\b/, 'directory'],
];

/** The text outside of code blocks and code spans. */
const prose = (text: string): string => text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '');

/** The anchors of a document's headings, as GitHub generates them. */
function anchors(text: string): Set<string> {
  const headings = text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The links of a document to files and headings of the project that do not exist. */
function deadLinks(name: string): string[] {
  const links = [...prose(read(name)).matchAll(/\]\(\s*(?!https?:)([^)\s#]*)(?:#([^)\s]*))?\s*\)/g)];
  return links.flatMap(([, path = '', anchor]) => {
    const target = path === '' ? name : join(dirname(name), path);
    if (!existsSync(join(ROOT, target))) return [`${target} does not exist`];
    const hasAnchor = anchor === undefined || anchors(read(target)).has(anchor);
    return hasAnchor ? [] : [`${target} has no heading ${anchor}`];
  });
}

/** Paths of missing files in a document. In ARCHITECTURE.md they may also start in src. */
function deadPaths(name: string): string[] {
  const spans = [...read(name).matchAll(/`([\w.-]+(?:\/[\w.-]+)+)`/g)].map(([, path = '']) => path);
  const paths = spans.filter(
    (path) =>
      (/^(src|test|scripts|bench)\//.test(path) || /^[a-z-]+\/.*\.ts$/.test(path)) && !path.includes('NAME'),
  );
  return paths.filter((path) => ![path, join('src', path)].some((known) => existsSync(join(ROOT, known))));
}

/** Names of functions and constants in a document of the code that no source file has. */
function unknownNames(name: string): string[] {
  const text = filesIn('src', 'test', 'scripts')
    .filter((file) => /\.c?[jt]s$/.test(file))
    .map(read)
    .join('\n');
  const names = [...read(name).matchAll(/`([a-z]+[A-Z]\w*|[A-Z]+_[A-Z_]+)`/g)].map(([, found = '']) => found);
  return names.filter((found) => !new RegExp(`\\b${found}\\b`).test(text));
}

const LISTENERS = [{ name: 'http', address: 'localhost:8080' }];
const RUNTIME = { path: '/srv/app/server' };

/** The problems of the configs in a document. Many of them show only a part; the rest is added. */
function configProblems(name: string): string[] {
  const blocks = [...read(name).matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text);
  return blocks.flatMap((text) => {
    const shown = parse(text);
    if (shown.service === undefined && shown.application === undefined) return [];
    const runtime = { ...RUNTIME, ...shown.service?.runtime };
    const config = { ...shown, service: { listeners: LISTENERS, ...shown.service, runtime } };
    const parsed = parseConfig(stringify(config), name);
    return 'problems' in parsed ? parsed.problems.map(formatProblem) : [];
  });
}

/** The avoided words in these lines, with line numbers. */
function wrongWords(words: Words, lines: Iterable<readonly [number, string]>): string[] {
  return [...lines].flatMap(([number, line]) =>
    words.filter(([word]) => word.test(line)).map(([word, better]) => `${number}: ${word}, write ${better}`),
  );
}

/** The quoted texts of a source file with line numbers. Comments and module names are omitted. */
function* messages(text: string): Generator<readonly [number: number, message: string]> {
  const code = text.replaceAll(/\/\*.*?\*\//gs, (comment) => comment.replaceAll(/[^\n]/g, ' '));
  for (const [index, line] of code.split('\n').entries()) {
    if (/^\s*(\/\/|import\b|export .* from )/.test(line)) continue;
    for (const [literal] of line
      .replace(/\s\/\/ .*$/, '')
      .matchAll(/'[^'\n]*'|"[^"\n]*"|`[^`\n]*`|(?<=\s)# .*/g))
      yield [index + 1, literal.replaceAll(/\$\{[^}]*\}/g, '${}')];
  }
}

describe('the documentation', () => {
  it(`has a README of fewer than ${README_LINES} lines`, () => {
    assert.ok(read('README.md').split('\n').length - 1 < README_LINES);
  });

  it('lists every page in docs/README.md', () => {
    const listed = new Set(
      [...read('docs/README.md').matchAll(/\]\(([^)#]+)\)/g)].map(([, path = '']) => join('docs', path)),
    );
    const pages = documents().filter(
      (name) => /^docs\/(?!README)/.test(name) && !/^docs\/(decisions|guide\/programs)\//.test(name),
    );
    assert.deepEqual(
      pages.filter((name) => !listed.has(name)),
      [],
    );
    const programs = read('docs/guide/programs.md');
    for (const name of documents().filter((path) => path.startsWith('docs/guide/programs/')))
      assert.ok(programs.includes(`(${relative('docs/guide', name)})`), name);
  });

  it('numbers its decisions without gaps', () => {
    const names = readdirSync(join(ROOT, 'docs', 'decisions')).sort();
    assert.deepEqual(
      names.map((name) => Number(name.slice(0, 4))),
      names.map((_, index) => index + 1),
    );
    for (const name of names)
      assert.ok(read(join('docs', 'decisions', name)).startsWith(`# ${name.slice(0, 4)}: `), name);
  });

  for (const name of ['ARCHITECTURE.md', 'CONTRIBUTING.md'])
    it(`${name} has names that exist in the code`, () => {
      assert.deepEqual(unknownNames(name), []);
    });

  for (const name of documents()) {
    const lines = [...proseLines(read(name))];

    it(`${name} links to existing files and headings`, () => {
      assert.deepEqual(deadLinks(name), []);
    });

    it(`${name} shows valid configs`, () => {
      assert.deepEqual(configProblems(name), []);
    });

    // Earlier entries contain the file names of their time.
    if (name !== 'CHANGELOG.md') {
      it(`${name} mentions existing files only`, () => {
        assert.deepEqual(deadPaths(name), []);
      });
    }

    it(`${name} has lines of at most ${WIDTH} characters`, () => {
      const long = lines.filter(([, line]) => line.length > WIDTH).map(([number]) => number);
      assert.deepEqual(long, []);
    });

    it(`${name} uses the words of the project`, () => {
      assert.deepEqual(wrongWords(WORDS, lines), []);
    });
  }
});

it('the messages of zero use the words of the project', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  const found = sources
    .filter((name) => /\.c?ts$/.test(name))
    .flatMap((name) => {
      const path = join('src', name);
      return wrongWords(MESSAGE_WORDS, messages(read(path))).map((problem) => `${path}:${problem}`);
    });
  assert.deepEqual(found, []);
});

it('a man page numbers steps, and has the targets of its links', async () => {
  const { manPage }: { manPage: (page: object, date: string) => string } = await import(
    pathToFileURL(join(ROOT, 'scripts', 'man.js')).href
  );
  const page = { name: 'x', section: 1, about: 'y', reference: 'commands.md', see: [], before: () => [] };
  const text = manPage(page, '2026-11-27');
  assert.match(text, /^\.IP 2\. 3\n\\fB\$ZERO_CONFIG/m);
  assert.match(text, /the guide \(docs\/guide\/adopt\.md\) and below/);
  assert.match(text, /the reference \(zero\.yaml\(5\)\)/);
});
