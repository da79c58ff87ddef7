/** Tells whether a process that left its mark in a file still runs, although its id may have been given to another. */
import { readFileSync } from 'node:fs';

export interface ProcessMark {
  pid: number;
  /** When it started, in ticks since boot; absent where the system does not tell. */
  started?: string;
}

/** The mark of this process. */
export function thisProcess(): ProcessMark {
  return mark(process.pid);
}

/** Whether the marked process runs. */
export function isRunning(marked: ProcessMark): boolean {
  try {
    process.kill(marked.pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return marked.started === undefined || mark(marked.pid).started === marked.started;
}

function mark(pid: number): ProcessMark {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in parentheses and may contain spaces: count from its end (field 22 of proc(5)).
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return started === undefined ? { pid } : { pid, started };
  } catch {
    return { pid };
  }
}
