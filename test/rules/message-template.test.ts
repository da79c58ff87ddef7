import { expect, test } from '@jest/globals';
import { MESSAGE_CHARS_MAX } from '../../shared/rules/message-template.ts';
import { DEVICE, rule, RuledDevice } from '../support/rules.ts';

function message(template: string, value: number | string, more: Record<string, unknown> = {}): string | undefined {
  const condition =
    typeof value === 'string' ? { param: 'v', op: 'neq', value: '' } : { param: 'v', op: 'gt', value: 1 };
  const wanted = rule(condition as Parameters<typeof rule>[0], { message: template, ...more });
  return new RuledDevice().send([wanted], 0, { v: value })[0]?.message;
}

test('every place is filled', () => {
  expect(
    message('{{device.id}}|{{ device.name }}|{{rule.name}}|{{severity}}|{{param}}|{{value}}|{{op}}|{{threshold}}', 2.5),
  ).toBe('freezer-1|Freezer 1|Too warm|warning|v|2.5|>|1');
});

test('a device without a name goes by its id', () => {
  const { name: _, ...nameless } = DEVICE;
  const [opened] = new RuledDevice().send(
    [rule({ param: 'v', op: 'gt', value: 1 })],
    0,
    { v: 2 },
    { device: nameless },
  );
  expect(opened?.message).toBe('freezer-1: v 2 > 1');
});

test('what a device sends is never read as a template', () => {
  expect(message('<{{value}}>', '{{rule.name}} $& $1 {{value}}')).toBe('<{{rule.name}} $& $1 {{value}}>');
});

test('single braces stay, and the message is bounded', () => {
  expect(message('{ {x} } }', 2)).toBe('{ {x} } }');
  const long = `${'{{value}}'.repeat(50)}`;
  expect(message(long, 'x'.repeat(256))).toHaveLength(MESSAGE_CHARS_MAX);
});

test.each([
  [{ param: 'v', op: 'between', value: [1, 3] } as const, 'Freezer 1: v 2 between 1 and 3'],
  [{ param: 'v', op: 'in', value: [1, 2, 3] as number[] } as const, 'Freezer 1: v 2 in 1, 2, 3'],
  [{ param: 'v', op: 'exists' } as const, 'Freezer 1: v 2 exists'],
])('%j reads well', (condition, text) => {
  expect(new RuledDevice().send([rule(condition as Parameters<typeof rule>[0])], 0, { v: 2 })[0]?.message).toBe(text);
});
