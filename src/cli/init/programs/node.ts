import { hostText } from '../../../common/host-port.ts';
import { type Command, optionOf, type Program, textOf, UNKNOWN } from '../program.ts';

/** Frameworks by their package, the most specific first, with the default port of their documentation. */
const FRAMEWORKS: readonly (readonly [dependency: string, name: string, port: string | null])[] = [
  ['next', 'Next.js', '3000'],
  ['@nestjs/core', 'NestJS', '3000'],
  ['nuxt', 'Nuxt', '3000'],
  ['@remix-run/serve', 'Remix', '3000'],
  ['@hapi/hapi', 'hapi', null],
  ['fastify', 'Fastify', null],
  ['koa', 'Koa', null],
  ['hono', 'Hono', null],
  ['express', 'Express', null],
];

// `listen(3000`, `listen(process.env.PORT ?? 3000`, `listen({ port: 3000`, `const port = process.env.PORT || 3000`
const PORTS: readonly RegExp[] = [
  /\.listen\(\s*(?:\{[^}]*?\bport:\s*)?(?:[\w.]*PORT\s*(?:\|\||\?\?)\s*)?['"]?(\d{2,5})\b/,
  /PORT['"\]]*\s*(?:\|\||\?\?)\s*['"]?(\d{2,5})\b/,
];

/** A Node program: its server gets the socket, see docs/guide/node.md. */
export function node({ kind, args, folder }: Command): Program {
  const framework = frameworkOf(folder);
  const script = /^node(js)?$/.test(kind)
    ? args.find((argument) => /^[^-].*\.[cm]?[jt]s$/.test(argument))
    : undefined;
  const text = (script === undefined ? null : textOf(folder, script)) ?? '';
  const port = optionOf(args, '--port', '-p') ?? portOf(text) ?? framework?.port ?? null;
  const found = framework === null ? [] : [`package.json has ${framework.name}, which needs no change.`];
  return {
    ...UNKNOWN,
    addresses: port === null || !/^\d+$/.test(port) ? [] : [`${hostOf(args, text, framework?.name)}:${port}`],
    args,
    sockets: [
      ...found,
      'In Node: server.listen({ fd: 3 }), or this address with the module in NODE_OPTIONS below.',
    ],
  };
}

function frameworkOf(folder: string): { readonly name: string; readonly port: string | null } | null {
  try {
    const { dependencies = {} } = JSON.parse(textOf(folder, 'package.json') ?? '{}');
    const found = FRAMEWORKS.find(([dependency]) => dependency in dependencies);
    return found === undefined ? null : { name: found[1], port: found[2] };
  } catch {
    return null;
  }
}

/** The port in the script. */
function portOf(text: string): string | null {
  for (const pattern of PORTS) {
    const port = pattern.exec(text)?.[1];
    if (port !== undefined) return port;
  }
  return null;
}

/** The host in the script. Without a host a program listens on every address, but Fastify on localhost. */
function hostOf(args: readonly string[], text: string, framework: string | undefined): string {
  const found =
    optionOf(args, '--host', '--hostname', '-H') ??
    /\.listen\([^)]*?['"](\d+\.\d+\.\d+\.\d+|::1?|localhost)['"]/.exec(text)?.[1] ??
    /\bhost(?:name)?:\s*['"]([^'"]+)['"]/.exec(text)?.[1] ??
    (framework === 'Fastify' ? 'localhost' : '');
  return found === '::' ? '' : hostText(found);
}
