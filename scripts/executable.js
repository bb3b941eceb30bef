// Builds zero as one executable for each architecture: node scripts/executable.js [x64] [arm64]
// bin/zero-linux-ARCH is Node itself with the command, its native part and the module for services, as a single
// executable application (https://nodejs.org/docs/latest-v24.x/api/single-executable-applications.html).
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { inject } from 'postject';
import { commandOptions } from './command-bundle.js';
import { pageAssets } from './page-assets.js';

/** The newest release line of Node whose binary does not need libatomic, which minimal systems lack. */
const NODE = '24.21.0';
/** Node searches for this text to find out whether it is a single executable application. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const WORK = join(ROOT, 'build', 'executable');
const { optionalDependencies } = createRequire(import.meta.url)('../package.json');
const STRIP = { x64: ['strip', 'x86_64-linux-gnu-strip'], arm64: ['aarch64-linux-gnu-strip'] };

/** The folder of a package in this version, from the registry, for any architecture. */
function packageFolder(name, version) {
  const folder = join(WORK, 'packages', `${name.replace('/', '+')}-${version}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const flags = ['--silent', '--pack-destination', unfinished];
  const file = execFileSync('npm', ['pack', ...flags, `${name}@${version}`], {
    encoding: 'utf8',
    timeout: 300_000,
  }).trim();
  execFileSync('tar', ['xzf', join(unfinished, file), '-C', unfinished, '--strip-components=1']);
  rmSync(join(unfinished, file));
  renameSync(unfinished, folder);
  return folder;
}

/** Replaces the code in koffi that searches for its native part, which is an asset here. */
const nativePart = {
  name: 'native-part',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^koffi$/ }, ({ path }) => ({ path, namespace: 'native' }));
    onLoad({ filter: /.*/, namespace: 'native' }, () => ({
      contents:
        "import { nativeOrExit } from './src/cli/executable/native.ts';\nexport default nativeOrExit();",
      resolveDir: ROOT,
    }));
  },
};

/** All of zero in one file. Each module runs when it is first required. */
async function bundle() {
  const file = join(WORK, 'zero.cjs');
  await build({
    ...commandOptions,
    target: 'node24',
    sourcemap: false,
    // Without a handler SIGUSR1 would start Node's inspector: see bin/zero.js.
    banner: { js: `process.on('SIGUSR1',()=>{});${commandOptions.banner.js}` },
    plugins: [nativePart, pageAssets],
    entryPoints: ['src/cli/executable/main.ts'],
    outfile: file,
  });
  return file;
}

/** Removes the symbols, which take 18 MB, if strip(1) is installed. */
function strip(file, arch) {
  for (const program of STRIP[arch]) {
    try {
      execFileSync(program, [file], { stdio: 'ignore' });
      return;
    } catch {
      // strip(1) is not installed, or does not support the architecture.
    }
  }
  process.stdout.write(`${file} keeps its symbols: none of ${STRIP[arch].join(', ')} is installed\n`);
}

async function executable(arch, main) {
  const node = join(packageFolder(`node-linux-${arch}`, NODE), 'bin', 'node');
  const name = `@koromix/koffi-linux-${arch}`;
  const native = packageFolder(name, optionalDependencies[name]);
  const blob = join(WORK, `${arch}.blob`);
  const config = join(WORK, `${arch}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      // Compiled code is valid only for the architecture of the Node that writes it.
      useCodeCache: arch === process.arch,
      assets: {
        'koffi.node': join(native, `linux_${arch}`, 'koffi.node'),
        'koffi.js': join(native, 'index.js'),
        'register.cjs': join(ROOT, 'dist', 'service', 'register.cjs'),
      },
    }),
  );
  const own = join(packageFolder(`node-linux-${process.arch}`, NODE), 'bin', 'node');
  execFileSync(own, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const target = join(ROOT, 'bin', `zero-linux-${arch}`);
  const unfinished = join(WORK, `zero-linux-${arch}`);
  copyFileSync(node, unfinished);
  chmodSync(unfinished, 0o755);
  strip(unfinished, arch);
  await inject(unfinished, 'NODE_SEA_BLOB', readFileSync(blob), { sentinelFuse: FUSE });
  // A running zero keeps its old file.
  renameSync(unfinished, target);
  process.stdout.write(`${target}\n`);
}

const wanted = process.argv.slice(2);
mkdirSync(WORK, { recursive: true });
const main = await bundle();
for (const arch of wanted.length > 0 ? wanted : ['x64', 'arm64']) await executable(arch, main);
