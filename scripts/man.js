// Writes the man pages from the help of the commands and from docs/reference: npm run build && node scripts/man.js
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { marked } from 'marked';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { version, description } = createRequire(import.meta.url)('../package.json');

const PAGES = [
  {
    name: 'zero',
    section: 1,
    about: 'deploy a new version of a network service without anyone noticing',
    reference: 'commands.md',
    see: ['zero.yaml(5)', 'zerodown(3)', 'systemd.socket(5)'],
    before: () => [
      ['SYNOPSIS', synopsis()],
      ['DESCRIPTION', paragraph(`${description}.`)],
      ['COMMANDS AND OPTIONS', options()],
    ],
  },
  {
    name: 'zero.yaml',
    section: 5,
    about: 'configuration of zero',
    reference: 'config.md',
    see: ['zero(1)'],
    before: () => [],
  },
  {
    name: 'zerodown',
    section: 3,
    about: 'library with which a Node service replaces itself',
    reference: 'library.md',
    see: ['zero(1)'],
    before: () => [],
  },
];

const ZERO = join(ROOT, 'bin', 'zero.js');

/** Parses `zero [COMMAND] --help`: the usage, the description, and name and text of each entry in its sections. */
function help(...command) {
  const text = execFileSync(process.execPath, [ZERO, ...command, '--help'], { encoding: 'utf8' });
  const [usage, about, ...sections] = text.trim().split('\n\n');
  const entries = (title) => {
    const found = sections.find((section) => section.startsWith(`${title}:\n`)) ?? '';
    // A long text continues on the next line, far to the right.
    const joined = found.replace(/\n {4,}(?=\S)/g, ' ');
    return [...joined.matchAll(/^ {2}(\S.*?) {2,}(.*)$/gm)].map(([, name, text]) => ({ name, text }));
  };
  return { usage: usage.replace('Usage: ', ''), about: about.replaceAll('\n', ' '), entries };
}

function commands() {
  const names = help()
    .entries('Commands')
    .map(({ name }) => name.split(' ')[0]);
  return names.filter((name) => name !== 'help').map((name) => ({ name, ...help(name) }));
}

function synopsis() {
  return [help(), ...commands()].map(({ usage }) => `.B ${escaped(usage)}\n.br`).join('\n');
}

function options() {
  const entry = ({ name, text }) => `.TP\n.B ${escaped(name)}\n${escaped(text)}`;
  return commands()
    .map(({ usage, about, entries }) =>
      [
        `.SS ${escaped(usage)}`,
        escaped(`${about.charAt(0).toUpperCase()}${about.slice(1)}.`),
        ...entries('Options')
          .filter(({ name }) => !name.startsWith('-h,'))
          .map(entry),
      ].join('\n'),
    )
    .join('\n');
}

/** Escapes backslashes, minus signs, and points and quotes at the start of a line, which begin requests (groff(7)). */
function escaped(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}

const ENTITIES = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' };
const plain = (text) => text.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity]);

/** Where a link leads outside of its own page: a man page, a file of the package, or an address. */
function target(href) {
  if (/^https?:/.test(href)) return href;
  const [path] = href.split('#');
  const page = PAGES.find(({ reference }) => reference === path);
  if (page !== undefined) return `${page.name}(${page.section})`;
  return path === '' ? null : posix.join('docs/reference', path);
}

/** Text with fonts. A link to another page is followed by its target. */
function inline(tokens) {
  return tokens
    .map((token) => {
      if (token.type === 'strong') return `\\fB${inline(token.tokens)}\\fR`;
      if (token.type === 'em') return `\\fI${inline(token.tokens)}\\fR`;
      if (token.type === 'codespan') return `\\fB${escaped(plain(token.text))}\\fR`;
      if (token.type === 'br' || /^<br\s*\/?>$/.test(token.raw)) return ' ';
      if (token.type === 'link') {
        const text = inline(token.tokens);
        const to = target(token.href);
        return to === null || to === token.text ? text : `${text} (${escaped(to)})`;
      }
      return token.tokens
        ? inline(token.tokens)
        : escaped(plain(token.text ?? token.raw).replaceAll('\n', ' '));
    })
    .join('');
}

function paragraph(text) {
  return `.PP\n${escaped(text)}`;
}

/** Titles of several words are in capitals. Single words are names of keys, functions and types. */
function title(tokens) {
  const text = inline(tokens);
  return text.includes(' ') && tokens.every(({ type }) => type === 'text') ? text.toUpperCase() : text;
}

/** The first cell is the term. The cells between it and the last one are short facts. */
function row(header, cells) {
  const [term, ...rest] = cells.map((cell) => inline(cell.tokens));
  const last = rest.pop() ?? '';
  const facts = rest
    .map((text, index) => ({ name: inline(header[index + 1].tokens), text }))
    .filter(({ text }) => text !== '')
    .map(({ name, text }) => (name === 'default' && text !== 'required' ? `default: ${text}` : text));
  const tag = facts.length === 0 ? term : `${term} (${facts.join(', ')})`;
  return `.TP\n${tag || '\\&'}\n${last || '\\&'}`;
}

function block(token) {
  switch (token.type) {
    case 'heading':
      return `${token.depth === 2 ? '.SH' : '.SS'} ${title(token.tokens)}`;
    case 'paragraph':
      return `.PP\n${inline(token.tokens)}`;
    case 'code':
      return `.PP\n.nf\n.RS 4\n${escaped(token.text)}\n.RE\n.fi`;
    case 'list':
      return token.items
        .map((item, index) => {
          const mark = token.ordered ? `${index + 1}. 3` : '\\(bu 2';
          return `.IP ${mark}\n${item.tokens.map(itemBlock).join('\n')}`;
        })
        .join('\n');
    case 'table':
      return token.rows.map((cells) => row(token.header, cells)).join('\n');
    case 'blockquote':
      return `.RS 4\n${token.tokens.map(block).join('\n')}\n.RE`;
    case 'space':
      return '';
    default:
      throw new Error(`no man page has ${token.type}: ${token.raw}`);
  }
}

/** The text of a list item is a line of its own block. */
function itemBlock(token) {
  return token.type === 'text' ? inline(token.tokens ?? [token]) : block(token);
}

/** One page. `date` as in `2026-11-27`. */
export function manPage({ name, section, about, reference, see, before }, date) {
  const [, ...tokens] = marked.lexer(readFileSync(join(ROOT, 'docs', 'reference', reference), 'utf8'));
  const first = tokens.findIndex(({ type, depth }) => type === 'heading' && depth === 2);
  const introduction = tokens.slice(0, first).filter(({ raw }) => !raw.startsWith('Generated from'));
  const parts = [
    `.TH ${name.toUpperCase()} ${section} ${date} "zero ${version}"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(about)}`,
    ...before().flatMap(([title, text]) => [`.SH ${title}`, text]),
    ...(section === 1 ? [] : ['.SH DESCRIPTION']),
    ...introduction.map(block),
    ...tokens.slice(first).map(block),
    '.SH SEE ALSO',
    see.map(escaped).join(', '),
    `.PP\nThe whole documentation is in the directory docs of the package.`,
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = join(ROOT, 'dist', 'man');
  mkdirSync(folder, { recursive: true });
  const date = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? Date.now() / 1000) * 1000);
  for (const page of PAGES) {
    const text = manPage(page, date.toISOString().slice(0, 10));
    writeFileSync(join(folder, `${page.name}.${page.section}`), text);
  }
}
