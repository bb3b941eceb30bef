// Writes docs/reference/config.md from the schema: npm run compile && node scripts/config-reference.js
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { folded } from './folded.js';

const INTRODUCTION = `# The config file

Generated from the schema by \`scripts/config-reference.js\`: edit the descriptions there, not here.

The config is one YAML file: \`zero.yaml\` in the working directory, unless \`--config\` or \`$ZERO_CONFIG\` specifies
another. \`zero check\` prints every problem as \`file:line:column: message\`. \`zero check --print\` prints the config
with all defaults. \`zero schema\` prints the JSON Schema for editors. \`config.example.yaml\` is a commented example.

- **Text** keeps its source text: \`args: [--port, 8080, 0660, yes]\` are four texts. In \`args\`, \`run\` and the values of
  variables \`null\` and \`~\` are text as well. Everywhere else they mean that the key is omitted, as does a key without
  a value.
- **Durations** are written as in Go: \`500ms\`, \`30s\`, \`1h15m\`; the units are ns, us, ms, s, m, h. zero refuses a
  number without a unit, except \`0\`.
- **Signals** are names with or without SIG. \`shutdown_signal\` may also be a real-time signal, \`SIGRTMIN+n\`.
- **Octal numbers** are permission bits: \`0660\`, \`"0660"\` and \`660\` are the same.
- **Addresses** are those of Go's net.Listen. A host that is empty or unspecified (\`:80\`, \`0.0.0.0:80\`, \`[::]:80\`) is
  every address, IPv4 and IPv6 alike; \`tcp4:\` and \`tcp6:\` mean one family only. Ports are numbers. The path of a Unix
  socket has at most 107 bytes. A relative path starts at the directory in which zero was started.
- Unknown keys, duplicate keys, more than one document and files of more than 1 MiB are refused. Anchors and merge keys
  work.
`;

const DIFFERENCES = `## Coming from the first zero

A config of the first zero has the same meaning here, with these differences:

| first zero | this zero |
| --- | --- |
| the service ends with the manager | the service keeps running if the supervisor is killed |
| stdin is the manager's | stdin is /dev/null |
| \`reload_signal\`, \`shutdown_signal\` must be given | SIGHUP and SIGTERM by default |
| \`reload_uptime\` is 0 by default | 1s |
| \`shutdown_timeout\` has no limit by default | 30s; \`0\` is no limit |
`;

/** The reference as Markdown, from the result of `describeKeys` of the compiled config module. */
export function configReference(keys) {
  const sections = new Map();
  for (const key of keys) {
    const parent = key.path.slice(0, Math.max(0, key.path.lastIndexOf('.')));
    sections.set(parent, [...(sections.get(parent) ?? []), key]);
  }
  const described = new Map(keys.map((key) => [key.path, key.description]));
  const tables = [...sections].map(([path, own]) => section(path, described, own));
  return `${[INTRODUCTION, ...tables, DIFFERENCES].join('\n')}`;
}

function section(path, described, keys) {
  const title = path === '' ? 'The top level' : `\`${path}\``;
  const about = described.get(path.replace(/\[\]$/, '')) ?? '';
  const rows = keys.map((key) => {
    const fallback = key.required ? 'required' : key.default === null ? '' : `\`${key.default}\``;
    return `| \`${key.path.slice(key.path.lastIndexOf('.') + 1)}\` | ${key.type} | ${fallback} | ${key.description} |`;
  });
  const head = ['| key | type | default | |', '| --- | --- | --- | --- |'];
  return `${[`## ${title}`, '', ...(about === '' ? [] : [folded(about), '']), ...head, ...rows].join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const build = process.argv[2] ?? new URL('../build', import.meta.url).pathname;
  const { describeKeys } = await import(`${build}/src/config/describe.js`);
  const target = new URL('../docs/reference/config.md', import.meta.url);
  fs.mkdirSync(new URL('.', target), { recursive: true });
  fs.writeFileSync(target, configReference(describeKeys()));
}
