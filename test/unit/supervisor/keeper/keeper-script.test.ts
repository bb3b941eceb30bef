import assert from 'node:assert/strict';
import { constants, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { makeFifo, openPipe } from '../../../../src/linux/pipes.ts';
import { processStat } from '../../../../src/linux/procfs.ts';
import { closeFd } from '../../../../src/linux/sockets.ts';
import { spawnProcess } from '../../../../src/linux/spawn.ts';
import {
  FIFO_FD,
  isKeeper,
  keeperProgram,
  VAULT_FD,
} from '../../../../src/supervisor/keeper/keeper-script.ts';
import { endKeeper } from '../../../../src/supervisor/keeper/socket-keeper.ts';
import { requireProgram } from '../../../support/debian.ts';
import { sessionMembers } from '../../../support/processes.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

/** A keeper, with this process as its supervisor. */
class Keeper {
  readonly pid: number;
  readonly folder: string;
  readonly #lines: Socket;
  readonly #iterator: AsyncIterator<string>;
  #fifo: number;

  constructor(
    t: TestContext,
    shell: readonly [string, string],
    restart: boolean,
    command: readonly string[],
  ) {
    const [file, name] = shell;
    const folder = temporaryFolder(t);
    this.folder = folder;
    const fifo = join(folder, 'fifo');
    makeFifo(fifo, 0o600);
    this.#fifo = openSync(fifo, constants.O_RDWR);
    const reading = openSync(fifo, constants.O_RDONLY);
    const output = openPipe();
    const environment = [Buffer.from(`PATH=${process.env.PATH}`)];
    const options = { shell: name, runtimeDirectory: folder, restart, tries: 0, command, environment };
    const descriptors = new Map([
      [1, output.write],
      [2, 2],
      [FIFO_FD, reading],
      [VAULT_FD, reading],
    ]);
    this.pid = spawnProcess({ path: file, ...keeperProgram(options), descriptors });
    for (const fd of [reading, output.write]) closeFd(fd);
    this.#lines = new Socket({ fd: output.read, readable: true, writable: false });
    this.#iterator = createInterface(this.#lines)[Symbol.asyncIterator]();
    t.after(() => {
      this.end();
      this.die();
      this.#lines.destroy();
    });
  }

  /** The next line that the keeper or one of its programs prints. */
  async line(): Promise<string> {
    const { value, done } = await this.#iterator.next();
    return done ? '(end)' : value;
  }

  /** Makes the keeper run shell code. */
  order(script: string): void {
    const file = join(this.folder, 'script.sh');
    writeFileSync(file, script);
    writeSync(this.#fifo, `run ${file}\n`);
  }

  /** The supervisor exits. */
  die(): void {
    if (this.#fifo !== -1) closeFd(this.#fifo);
    this.#fifo = -1;
  }

  /** Another supervisor starts. */
  come(): void {
    this.#fifo = openSync(`/proc/${this.pid}/fd/${FIFO_FD}`, constants.O_WRONLY | constants.O_NONBLOCK);
  }

  get identity() {
    return { pid: this.pid, startTime: processStat(this.pid)?.startTime ?? 0 };
  }

  end(): void {
    endKeeper(linux, this.identity, this.folder);
  }

  get isAlive(): boolean {
    return (processStat(this.pid)?.state ?? 'Z') !== 'Z';
  }
}

const SHELLS = [
  ['dash', 'dash', 'sh'],
  ['bash', 'bash', 'sh'],
  ['busybox', 'busybox', 'sh'],
] as const;

/** Finds which of these descriptors are open. A pipe of the shell itself would be one of them. */
const HELD = `held=; for fd in 3 4 5 ${VAULT_FD}; do [ -e /proc/$$/fd/$fd ] && held="$held $fd"; done`;

/** Prints its start parameters. */
const REPORT = `${HELD}; echo $ZERO_RESTARTED_BY $ZERO_RESTART_TRIES $ZERO_RUNTIME \${ZERO_KEEPER-} $held`;

for (const [program, debianPackage, name] of SHELLS) {
  const shellFor = (t: TestContext): readonly [string, string] | null => {
    const file = requireProgram(t, program, debianPackage);
    return file === null ? null : [file, name];
  };

  test(`${program}: the exit of the supervisor starts the command with the sockets`, async (t) => {
    const shell = shellFor(t);
    if (shell === null) return;
    const keeper = new Keeper(t, shell, true, ['sh', '-c', REPORT]);
    keeper.die();
    assert.equal(await keeper.line(), `${keeper.pid} 0 ${keeper.folder} ${VAULT_FD}`);
    // That program has exited, so this is the second attempt.
    assert.equal(await keeper.line(), `${keeper.pid} 1 ${keeper.folder} ${VAULT_FD}`);
    assert.ok(keeper.isAlive);
    assert.ok(isKeeper(linux.argumentsOf(keeper.pid), keeper.folder));
  });

  test(`${program}: a missing program is retried, and does not end the keeper`, async (t) => {
    const shell = shellFor(t);
    if (shell === null) return;
    const keeper = new Keeper(t, shell, true, ['/no/such/program']);
    keeper.die();
    keeper.come();
    keeper.order('echo still there');
    assert.equal(await keeper.line(), 'still there');
    assert.ok(keeper.isAlive);
  });

  test(`${program}: commands run during the wait, and their exits do not end it`, async (t) => {
    const shell = shellFor(t);
    if (shell === null) return;
    const keeper = new Keeper(t, shell, false, ['/no/such/program']);
    for (let round = 1; round <= 20; round += 1) {
      keeper.order(`echo ${round}; exit ${round}`);
      assert.equal(await keeper.line(), String(round));
    }
    keeper.die();
    keeper.come();
    keeper.order(`${HELD}; echo $held`);
    assert.equal(await keeper.line(), String(VAULT_FD));
    assert.ok(keeper.isAlive);
  });

  test(`${program}: keeps waiting after the directory of the FIFO is deleted`, async (t) => {
    const shell = shellFor(t);
    if (shell === null) return;
    const keeper = new Keeper(t, shell, true, ['sh', '-c', REPORT]);
    rmSync(join(keeper.folder, 'fifo'));
    keeper.die();
    assert.match(await keeper.line(), new RegExp(`^${keeper.pid} 0 `));
  });

  test(`${program}: ends with every process that it started, also during a pause`, async (t) => {
    const shell = shellFor(t);
    if (shell === null) return;
    const keeper = new Keeper(t, shell, true, ['sh', '-c', REPORT]);
    keeper.die();
    await keeper.line();
    await keeper.line();
    const members = sessionMembers(keeper.pid);
    assert.ok(members.includes(keeper.pid));
    keeper.end();
    assert.equal(await keeper.line(), '(end)');
    for (const pid of members) assert.ok((processStat(pid)?.state ?? 'Z') === 'Z', `process ${pid}`);
  });

  test(`${program}: without a restart it holds the sockets and starts nothing`, async (t) => {
    const shell = shellFor(t);
    if (shell === null) return;
    const keeper = new Keeper(t, shell, false, ['sh', '-c', 'echo started']);
    keeper.die();
    keeper.come();
    keeper.order('echo first');
    assert.equal(await keeper.line(), 'first');
    assert.ok(readdirSync(`/proc/${keeper.pid}/fd`).includes(String(VAULT_FD)));
  });
}

test('a process with other arguments and the pid of a keeper is not signalled', async (t) => {
  const keeper = new Keeper(t, ['/bin/sh', 'sh'], false, ['true']);
  endKeeper(linux, keeper.identity, '/another/directory');
  endKeeper(linux, { ...keeper.identity, startTime: keeper.identity.startTime + 1 }, keeper.folder);
  keeper.order('echo still there');
  assert.equal(await keeper.line(), 'still there');
});
