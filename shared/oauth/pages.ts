/**
 * The pages that people see: sign-in, consent, the code for native programs, and faults. Plain HTML that works without
 * scripts, with a keyboard and with a screen reader. Everything that is not a literal is escaped.
 */
import { createHash } from 'node:crypto';
import type { HttpResponseInit } from '@azure/functions';

/** Text that is HTML already. Made by `html` alone. */
interface Html {
  readonly markup: string;
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--line:#d0d7de;--accent:#0b5cad;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--paper:#0d1117;--line:#30363d;--accent:#6cb6ff;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:26rem;margin:8vh auto;padding:0 1.25rem}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 1rem}
label{display:block;margin:1rem 0 .25rem;font-weight:600}
input{width:100%;font:inherit;padding:.55rem .7rem;border:1px solid var(--line);border-radius:.4rem;background:var(--paper);color:var(--ink)}
button,.button{display:inline-block;font:inherit;font-weight:600;margin:1.25rem .5rem 0 0;padding:.55rem 1.1rem;border:1px solid var(--accent);border-radius:.4rem;background:var(--accent);color:var(--paper);cursor:pointer;text-decoration:none}
button.plain,.button.plain{background:transparent;color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.soft{color:var(--soft)}
.alert{border-left:4px solid var(--bad);padding:.25rem .75rem;color:var(--bad);font-weight:600}
ul{padding-left:1.2rem}
code{font-size:1.1rem;overflow-wrap:anywhere;user-select:all}
`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** What the sign-in page shows. */
export interface SignInPage {
  applicationName: string;
  /** The address that the form is sent to. */
  action: string;
  formToken: string;
  /** What went wrong with the last try. */
  alert?: string | undefined;
  login?: string | undefined;
  /** The tenant to fill in; absent where the application has one. */
  tenant?: string | undefined;
  /** Other ways to sign in. */
  providers: { name: string; href: string }[];
}

/** Asks for login and password. */
export function signInPage(page: SignInPage, extra: PageExtra = {}): HttpResponseInit {
  const { applicationName, action, formToken, alert, login, tenant, providers } = page;
  const body = html`<h1>Sign in to continue to ${applicationName}</h1>
    ${alert === undefined ? '' : html`<p class="alert" role="alert">${alert}</p>`}
    <form method="post" action="${action}">
      <input type="hidden" name="form_token" value="${formToken}" />
      ${
        tenant === undefined
          ? ''
          : html`<label for="tenant">Tenant</label>
              <input
                id="tenant"
                name="sign_in_tenant"
                required
                maxlength="64"
                autocapitalize="none"
                spellcheck="false"
                value="${tenant}"
              />`
      }
      <label for="login">Login</label>
      <input
        id="login"
        name="login"
        required
        maxlength="128"
        autocomplete="username"
        autocapitalize="none"
        spellcheck="false"
        value="${login ?? ''}"
      />
      <label for="password">Password</label>
      <input id="password" name="password" type="password" required maxlength="256" autocomplete="current-password" />
      <button name="action" value="sign-in">Sign in</button>
      <button class="plain" name="action" value="deny" formnovalidate>Cancel</button>
    </form>
    ${
      providers.length === 0
        ? ''
        : html`<h2 class="soft">Or</h2>
            ${providers.map(({ name, href }) => html`<a class="button plain" href="${href}">Sign in with ${name}</a>`)}`
    }`;
  return respond(`Sign in – ${applicationName}`, body, extra);
}

/** What the consent page shows. */
export interface ConsentPage {
  applicationName: string;
  tenant: string;
  userName: string;
  login: string;
  /** What is asked for, in words. */
  wishes: string[];
  /** Where the answer goes. */
  destination: string;
  action: string;
  formToken: string;
}

/** Asks whether the application may act for the person. */
export function consentPage(page: ConsentPage, extra: PageExtra = {}): HttpResponseInit {
  const body = html`<h1>${page.applicationName} asks for access</h1>
    <p>You are signed in as <strong>${page.userName}</strong> (${page.login}) of the tenant ${page.tenant}.</p>
    <p id="wishes">If you allow it, <strong>${page.applicationName}</strong> may:</p>
    <ul aria-labelledby="wishes">
      ${page.wishes.map((wish) => html`<li>${wish}</li>`)}
    </ul>
    <p class="soft">The answer goes to ${page.destination}.</p>
    <form method="post" action="${page.action}">
      <input type="hidden" name="form_token" value="${page.formToken}" />
      <button name="action" value="allow">Allow</button>
      <button class="plain" name="action" value="deny">Deny</button>
      <button class="plain" name="action" value="switch">Use another account</button>
    </form>`;
  return respond(`Allow access – ${page.applicationName}`, body, extra);
}

/** Shows a code, for a person to copy into a program. */
export function nativePage(code: string): HttpResponseInit {
  const body = html`<h1>Your authorization code</h1>
    <p id="about">Copy this code into the program that asked for it. It is good for one minute, once.</p>
    <p><code aria-describedby="about">${code}</code></p>`;
  return respond('Authorization code', body);
}

/** Says what is wrong where no application can be told. */
export function faultPage(detail: string, status: number, headers: Record<string, string> = {}): HttpResponseInit {
  const body = html`<h1>This did not work</h1>
    <p class="alert" role="alert">${detail}</p>
    <p class="soft">Go back to the application and try again.</p>`;
  return respond('This did not work', body, { status, headers });
}

/** What a page is answered with besides its text. */
export interface PageExtra {
  status?: number;
  headers?: Record<string, string>;
  /** Where a form of this page may lead, besides here: browsers hold redirects after a form against it. */
  formTarget?: string | undefined;
}

function respond(
  title: string,
  body: Html,
  { status = 200, headers = {}, formTarget }: PageExtra = {},
): HttpResponseInit {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <style>
          ${{ markup: STYLE }}
        </style>
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html> `;
  const formAction = `'self'${formTarget === undefined ? '' : ` ${formTarget}`}`;
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action ${formAction}; base-uri 'none'; frame-ancestors 'none'`,
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      ...headers,
    },
    body: page.markup,
  };
}

type Piece = Html | string | readonly Html[];

function html(literals: TemplateStringsArray, ...pieces: Piece[]): Html {
  const rendered = pieces.map((piece) => {
    if (typeof piece === 'string') return escape(piece);
    return 'markup' in piece ? piece.markup : piece.map(({ markup }) => markup).join('');
  });
  return { markup: literals.map((literal, index) => literal + (rendered[index] ?? '')).join('') };
}

function escape(text: string): string {
  return text.replaceAll(
    /[&<>"']/g,
    (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[char] ?? '',
  );
}
