import { GROUP_NAME_CHARACTERS_MAX } from './limits.ts';

const hubPattern = /^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}$/;

/** True for a hub name the service accepts: a letter first, at most 128 characters. Hubs are told apart without case. */
export function isHubName(name: string): boolean {
  return hubPattern.test(name);
}

/** True for a group name the service accepts: 1 to 1,024 characters, not only blanks. */
export function isGroupName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= GROUP_NAME_CHARACTERS_MAX && name.trim() !== '';
}
