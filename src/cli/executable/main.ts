// The entry point of the executable (npm run executable): all commands of zero, and the programs that zero starts, in
// one file.
import { writeFileSync } from 'node:fs';
import { wantedProgram } from '../../common/own-program.ts';

try {
  // The name in ps(1) and top(1). Node calls its main thread MainThread (proc_pid_comm(5)).
  writeFileSync('/proc/self/comm', 'zero');
} catch {
  // The name only helps to recognise the process.
}

const program = wantedProgram(process.argv[2]);
if (program === null) {
  void import('../main.ts');
} else {
  // Each program reads its own arguments, which follow those of Node.
  process.argv.splice(2, 1);
  if (program === 'node-launcher') void import('../../workers/spawning/node-launcher.ts');
  if (program === 'lane-sender') void import('../../supervisor/keeper/lane-sender.ts');
}
