/** Templates of actions: what fills a place is text of that channel, whatever it holds. */
import { describe, expect, test } from '@jest/globals';
import {
  fillHtml,
  fillJson,
  fillLine,
  fillText,
  jsonTemplateFault,
  templateFault,
} from '../../shared/notifications/channel-template.ts';
import { seeded } from '../support/signals.ts';

const HOSTILE = [
  '"},"admin":true,{"a":"',
  '\r\nBcc: eve@example.com\r\n\r\n<html>',
  '<script>alert(1)</script>',
  `' onmouseover='x`,
  '{{rule.name}}',
  '{{ device.id }}{{',
  '$& $1 $$ $`',
  '\u2028\u2029\u0000\u001b[31m',
  '\\u0022\\',
  '\uD800 alone',
  '=cmd|calc',
  '${process.env}',
];

describe('what is refused', () => {
  test.each(['{{password}}', '{{constructor}}', '{{__proto__}}', '{{device.id', 'a }} b', '{{}}', '{{a{{value}}}}'])(
    '%s is refused with the places that are allowed',
    (template) => {
      expect(templateFault(template)).toContain('allowed: type, alert.id, change');
      expect(jsonTemplateFault({ a: [{ b: template }] })).toContain('allowed: type, alert.id, change');
    },
  );

  test('so are places in names of members, and what is too large', () => {
    expect(jsonTemplateFault({ '{{value}}': 1 })).toContain('names of members');
    expect(jsonTemplateFault({ a: 'x'.repeat(9000) })).toContain('at most 8192 bytes');
    expect(templateFault('{{value}} of {{ device.id }}')).toBeUndefined();
  });
});

describe.each(HOSTILE)('filled with %j', (hostile) => {
  const values = { message: hostile, 'device.id': hostile, 'rule.name': 'Rule' };

  test('JSON has the members of the template and no other', () => {
    const filled = fillJson({ text: 'say: {{message}}!', list: ['{{message}}'], n: 1 }, values);
    const back = JSON.parse(JSON.stringify(filled));
    expect(Object.keys(back)).toEqual(['text', 'list', 'n']);
    expect(back.text).toBe(`say: ${hostile}!`);
  });

  test('a header stays one line', () => {
    expect(fillLine('Alert: {{message}} {{device.id}}', values)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
  });

  test('HTML has the tags of the template and no other, and no quote that ends an attribute', () => {
    const filled = fillHtml('<p title="{{message}}">{{device.id}}</p>', values);
    expect(filled.match(/</g)).toHaveLength(2);
    expect(filled.match(/"/g)).toHaveLength(2);
    expect(filled).not.toContain("'");
  });

  test('it is not read as a template again', () => {
    expect(fillText('{{message}}', values)).toBe(hostile);
  });
});

test('any text comes back from JSON as it went in', () => {
  const random = seeded(11);
  for (let n = 0; n < 2000; n++) {
    const text = Array.from({ length: 12 }, () => String.fromCharCode(Math.floor(random() * 0x3000))).join('');
    expect(JSON.parse(JSON.stringify(fillJson({ a: '<{{message}}>' }, { message: text })))).toEqual({ a: `<${text}>` });
  }
});

test('a place by itself keeps its type; one without a value is null in JSON and empty in text', () => {
  expect(fillJson(['{{value}}', 'v={{value}}', '{{param}}', '{{count}}'], { value: 8.5, count: 3 })).toEqual([
    8.5,
    'v=8.5',
    null,
    3,
  ]);
  expect(fillText('a {{param}}b', {})).toBe('a b');
  expect(fillJson({ on: '{{value}}' }, { value: false })).toEqual({ on: false });
});

test('a template of spaces is judged in the time of its length', () => {
  const begun = performance.now();
  for (const template of [
    `{{${' '.repeat(8000)}`,
    `{{${' '.repeat(4000)}value${' '.repeat(4000)}x`,
    '{{ '.repeat(2500),
  ])
    expect(templateFault(template)).toBeDefined();
  expect(templateFault(`{{${' '.repeat(4000)}value${' '.repeat(4000)}}}`)).toBeUndefined();
  // With a pattern that goes back it is minutes.
  expect(performance.now() - begun).toBeLessThan(2000);
});
