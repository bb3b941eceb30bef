import type { Fact } from '../lifecycle/facts.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

const ORDER: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Whether to write a line of this level. `least` is the least important level that is written. */
export function isWanted(level: Level, least: Level): boolean {
  return ORDER[level] >= ORDER[least];
}

/** The importance of a fact. `warn`: a step failed and zero keeps working. `error`: a requested operation failed. */
export function levelOf(fact: Fact): Level {
  switch (fact.event) {
    case 'gate_passed':
    case 'worker_signalled':
    case 'steering_changed':
    case 'executable_kept':
    case 'idle_connections_ended':
    case 'keeper_started':
      return 'debug';
    case 'supervisor_started':
    case 'supervisor_recovered':
    case 'service_adopted':
    case 'supervisor_upgrading':
    case 'supervisor_upgraded':
    case 'worker_adopted':
    case 'listener_bound':
    case 'listener_closed':
    case 'service_starting':
    case 'worker_spawned':
    case 'worker_ready':
    case 'worker_restarting':
    case 'worker_pid_changed':
    case 'worker_stall_ended':
    case 'reload_requested':
    case 'handover_started':
    case 'generation_promoted':
    case 'generation_retiring':
    case 'generation_gone':
    case 'admin_listening':
    case 'admin_closed':
    case 'stop_requested':
    case 'handover_step':
    case 'handover_mode':
    case 'hook_started':
    case 'rollback_found':
    case 'release_labelled':
    case 'watching':
    case 'worker_healthy':
    case 'worker_replaced':
    case 'scale_started':
      return 'info';
    case 'worker_not_ready':
    case 'worker_spawn_failed':
    case 'worker_killed':
    case 'leftovers_killed':
    case 'output_dropped':
    case 'warning':
    case 'crash_loop':
    case 'worker_stalled':
    case 'worker_unhealthy':
    case 'worker_replacing':
    case 'worker_replacement_failed':
    case 'worker_not_stoppable':
    case 'lane_relieved':
    case 'generation_rolled_back':
    case 'keeper_lost':
    case 'output_lost':
    case 'notify_lost':
      return 'warn';
    case 'state_set_aside':
      return fact.damaged ? 'warn' : 'info';
    case 'executable_changed':
      return fact.runs === 'copy' ? 'info' : 'warn';
    case 'worker_exited':
      return fact.expected ? 'info' : 'warn';
    case 'hook_finished':
      return fact.failure ? 'warn' : 'info';
    case 'handover_finished':
      return handoverLevel(fact);
    case 'scale_finished':
      return fact.outcome === 'done' ? 'info' : 'warn';
    case 'supervisor_stopped':
      return fact.code === 0 ? 'info' : 'error';
    case 'error':
      return 'error';
  }
}

function handoverLevel({ outcome, failure }: Extract<Fact, { event: 'handover_finished' }>): Level {
  switch (outcome) {
    case 'promoted':
      return 'info';
    case 'superseded':
      // A start without a failure was replaced by a reload that came before the first generation was ready.
      return failure === null ? 'info' : 'warn';
    case 'aborted':
      return 'warn';
    case 'rolled_back':
    case 'failed':
    case 'timed_out':
      return 'error';
  }
}
