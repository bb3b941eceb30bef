// Writes docs/reference/library.md from the docstrings of all exports of src/service/index.ts: node
// scripts/library-reference.js
// It reads only the style of these sources, not all of TypeScript: the compiler has no interface for programs, and
// tools that contain another parser are many times larger than this file.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folded } from './folded.js';

const ENTRY = 'src/service/index.ts';

const INTRODUCTION = `# The library

Generated from the docstrings by \`scripts/library-reference.js\`: edit them there, not here. The
[guide](../guide/library.md) shows how to use it.

\`\`\`ts
import { createUpgrader, drain } from 'zerodown';
\`\`\`
`;

/** The exports at the top of the page. The others follow by name. */
const FIRST = ['createUpgrader', 'Upgrader', 'drain'];

/** The names that a module exports, each with the file that declares it. */
function exportsOf(file, root) {
  const text = readFileSync(join(root, file), 'utf8');
  const found = new Map();
  for (const [, list, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)) {
    const source = join(dirname(file), from);
    const deeper = exportsOf(source, root);
    for (const part of list.split(',')) {
      const name = part.trim().replace(/^type /, '');
      if (name !== '') found.set(name, deeper.get(name) ?? source);
    }
  }
  return found;
}

/** The text of a comment, with one line for each paragraph. */
function prose(comment) {
  return comment
    .replace(/^\s*\/\*\*|\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim()
    .replace(/\n@(\w+) /g, '\n\n*$1*: ')
    .replace(/\n(?!\n|- |\n)/g, ' ')
    .replace(/ \n/g, '\n')
    .replace(/\n+ ?/g, '\n')
    .replace(/\n(?!- )/g, '\n\n');
}

/** The text from an opening brace to the matching closing brace. */
function block(text, start) {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}') depth -= 1;
    if (depth === 0) return text.slice(start + 1, at);
  }
  throw new Error('a brace is not closed');
}

const oneLine = (code) => code.replace(/\s+/g, ' ').replace(/, \)/g, ')').replace(/\( /g, '(').trim();

/** `name: type` and `name(parameters): type` in an interface, or the fields of a class, each with its docstring. */
function membersOf(body) {
  const members = [];
  const member =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?^ {2}(?!constructor|#|override)((?:readonly )?\w+\??(?:\([\s\S]*?\))?: [\s\S]*?);$/gm;
  for (const [, comment = '', code] of body.matchAll(member)) {
    const text = oneLine(code.replace(/^readonly /, ''));
    const [, name, type] = /^(\w+\??)(.*)$/.exec(text) ?? [];
    members.push({ name, type: type.replace(/^: /, ''), about: comment === '' ? '' : prose(comment) });
  }
  return members;
}

/** The declaration of a name in a file. */
function declarationOf(name, file, root) {
  const text = readFileSync(join(root, file), 'utf8');
  const pattern = new RegExp(
    `(/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/\\n)?^export (?:async )?(interface|type|class|function|const) ${name}\\b`,
    'm',
  );
  const found = pattern.exec(text);
  if (found === null) throw new Error(`${file} does not declare ${name}`);
  const [whole, comment = '', kind] = found;
  const rest = text.slice(found.index + whole.length);
  const about = comment === '' ? '' : prose(comment);
  if (kind === 'interface' || kind === 'class') {
    const open = rest.indexOf('{');
    const base = /extends ([^{]+)/.exec(rest.slice(0, open))?.[1]?.trim() ?? null;
    return { name, kind, about, base, members: membersOf(block(rest, open)) };
  }
  if (kind === 'function') {
    const end = /^\S.*\{$/m.exec(rest);
    const signature = rest.slice(0, end.index + end[0].length - 1);
    return { name, kind, about, code: oneLine(`${name}${signature}`) };
  }
  return { name, kind, about, code: `type ${name}${rest.slice(0, rest.indexOf(';'))}` };
}

function section({ name, kind, about, base, members, code }) {
  const lines = [`## ${name}`, ''];
  if (code !== undefined) lines.push('```ts', code.replaceAll(/\n {2}/g, '\n  '), '```', '');
  if (base) lines.push(`${kind === 'class' ? 'A class; extends' : 'Extends'} \`${base}\`.`, '');
  if (about !== '') {
    const paragraphs = about.split('\n').map((line) => folded(line, line.startsWith('- ') ? '  ' : ''));
    lines.push(paragraphs.join('\n'), '');
  }
  if (members !== undefined && members.length > 0) {
    lines.push('| | is | |', '| --- | --- | --- |');
    for (const member of members) {
      const cell = (value) => value.replaceAll('|', '\\|');
      lines.push(
        `| \`${member.name}\` | \`${cell(member.type)}\` | ${cell(member.about).replaceAll(/\n+/g, '<br>')} |`,
      );
    }
    lines.push('');
  }
  return lines.join('\n');
}

/** The reference as Markdown. @param root the checkout */
export function libraryReference(root) {
  const exported = exportsOf(ENTRY, root);
  const names = [...exported.keys()].sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
  const sections = names.map((name) => section(declarationOf(name, exported.get(name), root)));
  return [INTRODUCTION, ...sections].join('\n');
}

function rank(name) {
  const place = FIRST.indexOf(name);
  return place < 0 ? FIRST.length : place;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  writeFileSync(join(root, 'docs/reference/library.md'), libraryReference(root));
}
