/** The page's script: draws the states it is sent and sends what people ask for. Text is only ever set as text. */
export const PAGE_SCRIPT = `'use strict';
const byId = (id) => document.getElementById(id);
const show = (id, isShown) => { byId(id).hidden = !isShown; };
let signedIn = false;

function element(tag, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Keeps an element for each key, so that focus and scrolling survive every update.
function sync(parent, items, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    let child = old.get(item.id);
    old.delete(item.id);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = item.id;
    }
    update(child, item);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] || null);
  });
  for (const child of old.values()) child.remove();
}

const stateClass = (state) => state.split(' ')[0];

function makeTarget() {
  const row = element('li');
  row.parts = {
    name: element('strong'), state: element('span'), bar: element('progress'), rate: element('span', 'number quiet'),
    left: element('span', 'number quiet'), cancel: element('button'), note: element('span', 'note'),
  };
  row.parts.cancel.type = 'button';
  row.parts.cancel.textContent = 'Cancel';
  row.append(...Object.values(row.parts));
  return row;
}

function updateTarget(row, target, job) {
  const { name, state, bar, rate, left, cancel, note } = row.parts;
  setText(name, target.name);
  setText(state, target.state);
  state.className = stateClass(target.state);
  bar.value = target.part;
  bar.className = stateClass(target.state);
  bar.setAttribute('aria-label', target.name + ', ' + Math.floor(target.part * 100) + ' percent');
  setText(rate, target.rate);
  setText(left, target.left);
  setText(note, target.note);
  note.hidden = target.note === '';
  note.className = 'note ' + (target.state === 'failed' ? 'failed' : 'quiet');
  cancel.hidden = !signedIn || target.ended || job.ended;
  cancel.setAttribute('aria-label', 'Cancel ' + target.name);
  cancel.onclick = () => confirmCancel({ jobId: job.id, computer: target.id }, target.name);
}

function makeJob() {
  const card = element('article', 'job');
  const head = element('div', 'head');
  card.parts = {
    title: element('h3'), state: element('span'), done: element('span', 'quiet'), cancel: element('button'),
    bar: element('progress'), facts: element('p', 'quiet'), error: element('p', 'failed'), rows: element('ul', 'rows'),
  };
  const { title, state, done, cancel, bar, facts, error, rows } = card.parts;
  cancel.type = 'button';
  cancel.textContent = 'Cancel job';
  head.append(title, state, done, cancel);
  card.append(head, bar, facts, error, rows);
  return card;
}

function updateJob(card, job) {
  const { title, state, done, cancel, bar, facts, error, rows } = card.parts;
  setText(title, job.title);
  setText(state, job.state);
  state.className = stateClass(job.state);
  setText(done, job.done);
  bar.value = job.part;
  bar.setAttribute('aria-label', job.title + ', ' + Math.floor(job.part * 100) + ' percent');
  setText(facts, [job.id, Math.floor(job.part * 100) + ' %', job.rate, job.left].filter(Boolean).join(', '));
  setText(error, job.error);
  error.hidden = job.error === '';
  error.className = stateClass(job.state);
  cancel.hidden = !signedIn || job.ended;
  cancel.onclick = () => confirmCancel({ jobId: job.id }, 'the whole job');
  sync(rows, job.targets, makeTarget, (row, target) => updateTarget(row, target, job));
}

function makeComputer() {
  const row = element('li');
  row.parts = { name: element('strong'), address: element('span', 'quiet'), model: element('span', 'quiet'), state: element('span') };
  row.append(...Object.values(row.parts));
  return row;
}

function updateComputer(row, computer) {
  for (const field of ['name', 'address', 'model', 'state']) setText(row.parts[field], computer[field]);
}

let last;
function draw(state) {
  last = state;
  setText(byId('console'), state.console);
  document.title = 'TotalDeploy ' + state.console;
  show('no-jobs', state.jobs.length === 0);
  sync(byId('jobs'), state.jobs, makeJob, updateJob);
  setText(byId('computer-count'), state.computers.length === 0 ? '' : String(state.computers.length));
  show('no-computers', state.computers.length === 0);
  sync(byId('computers'), state.computers, makeComputer, updateComputer);
}

async function send(path, body) {
  const options = body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(path, options).catch(() => { throw new Error('The console cannot be reached.'); });
  const value = await answer.json();
  if (!answer.ok) {
    if (answer.status === 401 && path !== '/session') await askSession();
    throw new Error(value.error || 'The console said ' + answer.status + '.');
  }
  return value;
}

// One dialog for everything: act() may throw, then the dialog stays and says why.
function ask({ title, body = [], ok, password = false }, act) {
  setText(byId('dialog-title'), title);
  byId('dialog-body').replaceChildren(...body);
  setText(byId('dialog-ok'), ok);
  setText(byId('dialog-problem'), '');
  show('password-row', password);
  byId('password').value = '';
  byId('dialog-form').onsubmit = async (event) => {
    event.preventDefault();
    byId('dialog-ok').disabled = true;
    try {
      await act();
      byId('dialog').close();
    } catch (error) {
      setText(byId('dialog-problem'), error.message);
    } finally {
      byId('dialog-ok').disabled = false;
    }
  };
  byId('dialog').showModal();
  // Enter alone must overwrite no disk.
  byId(password ? 'password' : 'dialog-no').focus();
}

function paragraph(text, className) {
  const made = element('p', className);
  made.textContent = text;
  return made;
}

function confirmCancel(what, name) {
  const body = [paragraph('What was written so far stays unusable until it is deployed again.')];
  ask({ title: 'Cancel ' + name + '?', body, ok: 'Cancel it' }, () => send('/cancel', what));
}

async function confirmStart(template) {
  const plan = await send('/plan', { template });
  const list = element('dl');
  for (const { label, value } of plan.rows) {
    const [term, text] = [element('dt'), element('dd')];
    term.textContent = label;
    text.textContent = value;
    list.append(term, text);
  }
  const notes = [...plan.warnings, ...plan.notApplied].map((text) => paragraph(text, 'slow'));
  const body = [paragraph('It goes to every computer that is connected and free. Their disks are overwritten.'), list, ...notes];
  ask({ title: 'Start template ' + template + '?', body, ok: 'Start' }, () => send('/deploy', { template }));
}

async function askSession() {
  const session = await (await fetch('/session')).json();
  signedIn = session.signedIn;
  show('sign-in', !signedIn && session.passwordSet);
  show('sign-out', signedIn);
  show('start', signedIn);
  if (signedIn) await listTemplates();
  if (last !== undefined) draw(last);
}

async function listTemplates() {
  const templates = await send('/templates');
  byId('template').replaceChildren(...templates.map(({ name, comment }) => new Option(comment ? name + ': ' + comment : name, name)));
  show('start-form', templates.length > 0);
  show('no-templates', templates.length === 0);
}

const problem = (error) => ask({ title: 'That did not work', body: [paragraph(error.message, 'failed')], ok: 'OK' }, () => {});

byId('sign-in').onclick = () => ask({ title: 'Sign in', ok: 'Sign in', password: true }, async () => {
  await send('/session', { password: byId('password').value });
  await askSession();
});
byId('sign-out').onclick = () => send('/session/end', {}).then(askSession).catch(problem);
byId('dialog-no').onclick = () => byId('dialog').close();
byId('start-form').onsubmit = (event) => {
  event.preventDefault();
  confirmStart(byId('template').value).catch(problem);
};

const events = new EventSource('/events');
events.onopen = () => {
  setText(byId('contact'), 'Live');
  askSession().catch(() => {});
};
events.onmessage = (event) => draw(JSON.parse(event.data));
events.onerror = () => setText(byId('contact'), 'Connection lost; trying again…');
`;
