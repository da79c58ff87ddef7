/** How hooks start programs, on Windows as well: `az` is a batch file there. */
import { expect, test } from '@jest/globals';
import { commandLine, findProgram } from '../../../scripts/azd/program.js';

const windows = (files: string[]) => ({
  platform: 'win32',
  env: { Path: 'C:\\Windows;C:\\Program Files\\Azure CLI\\wbin', PATHEXT: '.COM;.EXE;.BAT;.CMD' },
  exists: (file: string) => files.includes(file),
});

test('on Windows a program is found by the endings of PATHEXT', () => {
  const az = 'C:\\Program Files\\Azure CLI\\wbin\\az.CMD';
  expect(findProgram('az', windows([az]))).toBe(az);
  expect(findProgram('azd', windows(['C:\\Windows\\azd.EXE']))).toBe('C:\\Windows\\azd.EXE');
  // Git for Windows and WSL leave a file without an ending, which Windows cannot start.
  expect(findProgram('az', windows(['C:\\Windows\\az']))).toBeUndefined();
});

test('elsewhere by its name', () => {
  const exists = (file: string) => file === '/usr/bin/az';
  expect(findProgram('az', { platform: 'linux', env: { PATH: '/bin:/usr/bin' }, exists })).toBe('/usr/bin/az');
  expect(findProgram('azd', { platform: 'darwin', env: {}, exists })).toBeUndefined();
});

test('a batch file is started by a shell, its path quoted; anything else without one', () => {
  const args = ['provider', 'list', '--query', '[].{namespace:namespace,state:registrationState}'];
  expect(commandLine('C:\\Program Files\\az.cmd', args)).toEqual({
    file: '"C:\\Program Files\\az.cmd"',
    args,
    shell: true,
  });
  expect(commandLine('C:\\azd.exe', ['env', 'set', 'A', 'b&c'])).toMatchObject({ file: 'C:\\azd.exe', shell: false });
});

test.each(['a&calc', 'a|b', '%PATH%', 'a"b', 'a b', 'a^b', 'a>b', '$(x)'])(
  '%s never reaches the shell of a batch file',
  (arg) => {
    expect(() => commandLine('C:\\az.cmd', [arg])).toThrow(/cannot be given to a batch file/);
  },
);
