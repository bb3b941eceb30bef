// Builds the Debian package of each architecture: npm run deb, or
// node scripts/deb.js [--version V] [--executable FILE] [--out FOLDER] [--compression xz] [x64] [arm64]
// Uses the existing executables and man pages.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DEBIAN = join(ROOT, 'scripts', 'debian');
const PACKAGE = 'zerodown';
/** The maintainer is the person who builds the package, as for Debian's own tools (debchange(1)). */
const { DEBFULLNAME = 'The zero maintainers', DEBEMAIL = 'maintainers@zerodown.invalid' } = process.env;
const MAINTAINER = `${DEBFULLNAME} <${DEBEMAIL}>`;
const manifest = createRequire(import.meta.url)('../package.json');
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };
const MAN_PAGES = ['zero.1', 'zero.yaml.5', 'zerodown.3'];
const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/zero',
  zsh: 'usr/share/zsh/vendor-completions/_zero',
  fish: 'usr/share/fish/vendor_completions.d/zero.fish',
};

/** The same input gives the same package (https://reproducible-builds.org/specs/source-date-epoch/). */
const EPOCH = Number(process.env.SOURCE_DATE_EPOCH ?? commitDate());

function commitDate() {
  try {
    return execFileSync('git', ['log', '-1', '--format=%ct'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    // The folder is not a clone.
    return statSync(join(ROOT, 'package.json')).mtimeMs / 1000;
  }
}

/** The files of the package: path -> content and mode. */
function filesOf(arch, version, executable) {
  const files = new Map();
  const add = (path, content, mode = 0o644) => files.set(path, { content, mode });
  const compressed = (text) => gzipSync(text, { level: 9 });
  add('usr/bin/zero', readFileSync(executable), 0o755);
  add('lib/systemd/system/zero@.service', readFileSync(join(DEBIAN, 'zero@.service')));
  for (const page of MAN_PAGES) {
    const content = readFileSync(join(ROOT, 'dist', 'man', page));
    add(`usr/share/man/man${page.at(-1)}/${page}.gz`, compressed(content));
  }
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    add(path, execFileSync(process.execPath, [join(ROOT, 'bin', 'zero.js'), 'completion', shell]));
  }
  for (const [path, file] of serviceModule(arch)) add(path, readFileSync(file));
  const doc = `usr/share/doc/${PACKAGE}`;
  add(`${doc}/copyright`, copyright());
  add(`${doc}/bundled-packages.txt.gz`, compressed(readFileSync(join(ROOT, 'dist', 'licenses.txt'))));
  add(`${doc}/changelog.gz`, compressed(changelog(version)));
  add(`${doc}/examples/zero.yaml`, readFileSync(join(DEBIAN, 'example.yaml')));
  add(`usr/share/lintian/overrides/${PACKAGE}`, readFileSync(join(DEBIAN, 'lintian-overrides')));
  return files;
}

/**
 * The module that Node loads before unchanged programs, at the path where the executable looks for it
 * (src/cli/executable).
 */
function serviceModule(arch) {
  const name = `@koromix/koffi-linux-${arch}`;
  const version = manifest.optionalDependencies[name];
  const native = join(ROOT, 'build', 'executable', 'packages', `${name.replace('/', '+')}-${version}`);
  const folder = `usr/lib/${PACKAGE}`;
  const target = `${folder}/node_modules/${name}`;
  return [
    [`${folder}/register.cjs`, join(ROOT, 'dist', 'service', 'register.cjs')],
    [`${target}/index.js`, join(native, 'index.js')],
    [`${target}/linux_${arch}/koffi.node`, join(native, `linux_${arch}`, 'koffi.node')],
  ];
}

function copyright() {
  const indented = (text) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => ` ${line.trimEnd() || '.'}`)
      .join('\n');
  const licence = readFileSync(join(ROOT, 'LICENSE'), 'utf8');
  const [holder = ''] = /^Copyright .*$/m.exec(licence) ?? [];
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    `Upstream-Name: ${PACKAGE}`,
    '',
    'Files: *',
    `Copyright: ${holder.replace(/^Copyright (?:\(c\) )?/, '')}`,
    'License: Expat',
    indented(licence.replace(/^[\s\S]*?(?=Permission)/, '')),
    '',
    'Files: usr/bin/zero',
    'Copyright: the authors of Node.js and of what it contains, and those of the bundled packages',
    'License: Node.js',
    ' Node.js is distributed under the license at https://github.com/nodejs/node/blob/main/LICENSE.',
    ` Those of the bundled packages are in /usr/share/doc/${PACKAGE}/bundled-packages.txt.gz.`,
    '',
  ].join('\n');
}

function changelog(version) {
  const date = new Date(EPOCH * 1000).toUTCString().replace('GMT', '+0000');
  return `${PACKAGE} (${version}) unstable; urgency=medium\n\n  * See /usr/share/doc/${PACKAGE} and zero(1).\n\n -- ${MAINTAINER}  ${date}\n`;
}

function control(arch, version, size) {
  return `Package: ${PACKAGE}
Version: ${version}
Section: admin
Priority: optional
Architecture: ${ARCHITECTURES[arch]}
Maintainer: ${MAINTAINER}
Installed-Size: ${Math.ceil(size / 1024)}
Depends: adduser, libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 11)
Description: ${manifest.description.split(':')[0].replace(/^Deploy/, 'deploys')}
 zero holds the listening sockets of a network service and replaces the process
 behind them: it starts the new version next to the old one, tests it, and lets
 the kernel steer new connections to it. A version that fails is stopped, and
 clients notice nothing. No proxy is in the path.
 .
 The package contains Node.
`;
}

function build(arch, { version, executable, out, compression }) {
  const folder = join(out, `deb-${arch}`);
  rmSync(folder, { recursive: true, force: true });
  const files = filesOf(arch, version, executable);
  let size = 0;
  const sums = [];
  for (const [path, { content, mode }] of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
    size += content.length;
    sums.push(path);
  }
  mkdirSync(join(folder, 'etc', 'zero'), { recursive: true });
  const meta = join(folder, 'DEBIAN');
  mkdirSync(meta);
  writeFileSync(join(meta, 'control'), control(arch, version, size));
  writeFileSync(join(meta, 'md5sums'), execFileSync('md5sum', sums, { cwd: folder }));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    writeFileSync(join(meta, script), readFileSync(join(DEBIAN, script)), { mode: 0o755 });
  }
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', folder]);
  const target = join(out, `${PACKAGE}_${version}_${ARCHITECTURES[arch]}.deb`);
  const environment = { ...process.env, SOURCE_DATE_EPOCH: String(Math.floor(EPOCH)) };
  execFileSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '--build', folder, target], {
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  rmSync(folder, { recursive: true });
  process.stdout.write(`${target}\n`);
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    version: { type: 'string', default: manifest.version },
    executable: { type: 'string' },
    out: { type: 'string', default: join(ROOT, 'build') },
    compression: { type: 'string', default: 'xz' },
  },
});
for (const arch of positionals.length > 0 ? positionals : Object.keys(ARCHITECTURES)) {
  const executable = values.executable ?? join(ROOT, 'bin', `zero-linux-${arch}`);
  if (!existsSync(executable)) throw new Error(`${executable} does not exist: npm run executable`);
  build(arch, { ...values, executable });
}
