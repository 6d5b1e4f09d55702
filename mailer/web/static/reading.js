// Makes the pages faster: reactions without a new page, impressions, keyboard shortcuts. Every page works without it.
const SEEN_AFTER_MS = 1000;
const SEND_AFTER_MS = 2000;
const FRAGMENT = 'X-Paperfeed-Fragment';
const told = document.getElementById('told');
const papers = () => [...document.querySelectorAll('article.paper')];

// ---------------------------------------------------------------------------------------------------- reactions

document.addEventListener('submit', async event => {
  const form = event.target;
  if (!form.matches('[data-react]') || !event.submitter) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const paper = form.closest('article');
  try {
    const answer = await fetch(form.action, { method: 'POST', body, headers: { [FRAGMENT]: '1' }, redirect: 'manual' });
    if (!answer.ok) throw new Error(answer.status);
    show(paper, await answer.text(), event.submitter.dataset.key);
  } catch {
    tell('That did not work. Please try again.');
  }
});

function show(paper, html, key) {
  const buttons = paper.querySelector('.buttons');
  const hadFocus = buttons.contains(document.activeElement);
  buttons.innerHTML = html;
  paper.dataset.held = buttons.querySelector('form').dataset.held;
  if (hadFocus) (buttons.querySelector(`[data-key="${key}"]`) || buttons.querySelector('button')).focus();
  const words = buttons.querySelector('.told');
  tell(words ? words.firstChild.textContent.trim() : 'Undone.');
}

function tell(text) {
  told.textContent = '';
  // A change after a moment is announced even if the text is the same.
  setTimeout(() => { told.textContent = text; }, 50);
}

// -------------------------------------------------------------------------------------------------- impressions

const timers = new Map();
const seen = new Map();
let sending = null;

const observer = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    clearTimeout(timers.get(target));
    if (isIntersecting) timers.set(target, setTimeout(() => note(target), SEEN_AFTER_MS));
  }
}, { threshold: 0.5 });

function note(title) {
  observer.unobserve(title);
  const paper = title.closest('article');
  const slate = paper.dataset.slate;
  seen.set(slate, [...(seen.get(slate) || []), paper.dataset.paper]);
  sending = sending || setTimeout(send, SEND_AFTER_MS);
}

function send() {
  clearTimeout(sending);
  sending = null;
  for (const [slate, ids] of seen) {
    const body = new URLSearchParams({ slate });
    ids.forEach(id => body.append('paper', id));
    navigator.sendBeacon('/seen', body);
  }
  seen.clear();
}

addEventListener('pagehide', send);
papers().filter(paper => paper.dataset.slate).forEach(paper => observer.observe(paper.querySelector('.name, h1')));

// ---------------------------------------------------------------------------------------------------- shortcuts

const help = document.getElementById('help');
const toggle = document.querySelector('[data-shortcuts]');
const stored = name => { try { return localStorage.getItem(name); } catch { return null; } };

function current() {
  return document.activeElement.closest('article.paper') || document.querySelector('article.paper.current');
}

function move(step) {
  const all = papers();
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  if (!next) return;
  all.forEach(each => each.classList.toggle('current', each === next));
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: 'nearest' });
}

function press(key) {
  const button = current()?.querySelector(`[data-key="${key}"]`);
  if (button) button.form.requestSubmit(button);
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  l: () => press('like'),
  s: () => press('save'),
  x: () => press('dislike'),
  o: () => current()?.querySelector('.name a, h1 a')?.click(),
  a: () => current()?.querySelector('summary')?.click(),
  '/': () => document.getElementById('q').focus(),
  '?': () => help.showModal(),
};

document.addEventListener('keydown', event => {
  const isTyping = event.target.matches('input:not([type=checkbox]), textarea, select, [contenteditable]');
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || help?.open || !toggle?.checked) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

if (help) {
  toggle.checked = stored('shortcuts') !== 'off';
  toggle.addEventListener('change', () => {
    try { localStorage.setItem('shortcuts', toggle.checked ? 'on' : 'off'); } catch { /* not remembered */ }
  });
  const opener = document.querySelector('[data-help]');
  opener.hidden = false;
  opener.addEventListener('click', () => help.showModal());
}
