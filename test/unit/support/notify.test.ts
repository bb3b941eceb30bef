import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from '../../support/debian.ts';
import { fixture } from '../../support/paths.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const run = promisify(execFile);

/**
 * Binds the socket, sends the bytes through notify.js, and prints the received ones. Node has no Unix datagram sockets,
 * perl has.
 */
const ROUNDTRIP = `
  use Socket;
  my ($path, $out, @send) = @ARGV;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die $!;
  (my $name = $path) =~ s/^@/\\0/;
  bind($s, pack_sockaddr_un($name)) or die $!;
  system(@send) == 0 or die 'send';
  recv($s, my $data, 65536, 0) // die $!;
  open(my $f, '>:raw', $out) or die $!;
  print $f $data;`;

const PERL = findProgram('perl');
const skip = PERL === null ? 'perl is not installed: apt-get install perl-base' : false;

for (const abstract of [false, true]) {
  test(`any bytes arrive at ${abstract ? 'an abstract name' : 'a path'}`, {
    skip,
    timeout: 30_000,
  }, async (t) => {
    const folder = temporaryFolder(t);
    const socket = abstract ? `@${folder}` : join(folder, 'notify');
    const out = join(folder, 'out');
    const bytes = Buffer.from([0, 255, 10, 61, ...Buffer.from('READY=1\n')]);
    const script = `import { notify } from ${JSON.stringify(pathToFileURL(fixture('notify.js')).href)};
      await notify(Buffer.from('${bytes.toString('hex')}', 'hex'), { socket: ${JSON.stringify(socket)} });`;
    await run(PERL ?? '', [
      '-e',
      ROUNDTRIP,
      socket,
      out,
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ]);
    assert.deepEqual(readFileSync(out), bytes);
  });
}
