// Sends a file to S3 and shows how far it is, shows how far an import is, and sends a form once if its button is clicked twice. Without
// this script the pages work: a form sends the file, and a link shows the page of an import again.
'use strict';
(() => {
  /** The milliseconds after which the script looks again at the page of an import that runs or awaits its file. While the registry is busy
   * they double, up to the longest pause. */
  const [PAUSE, LONGEST_PAUSE] = [2000, 60_000];
  /** The milliseconds for which a form, or the link of a download, does nothing after it was used. */
  const [FORM_RESTS, LINK_RESTS] = [10_000, 1000];
  /** After this many milliseconds without a message another tab no longer sends its file. */
  const SILENCE = 60_000;
  /** How many times the script sends a file before it leaves that to the browser, which says what is wrong. */
  const TRIES = 3;

  /** Whether this tab sends a file now, or another one the file of this page. */
  let [sending, waiting] = [false, false];
  /** For each form and link that was used, when it may be used again. */
  let used = new WeakMap();
  /** The timers of PAUSE and of SILENCE. */
  let [look, silence] = [0, 0];

  /** The tabs of this browser tell each other how far a file is. */
  const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('files') : { postMessage() {} };

  const find = (id) => document.getElementById(id);
  const show = (element, shown) => {
    if (element) element.hidden = !shown;
  };
  const read = async (response) => new DOMParser().parseFromString(await response.text(), 'text/html');
  /** Whether the same request may succeed later. */
  const isBusy = ({ status }) => status === 429 || status >= 500;

  /** What a screen reader reads out when it changes. It stays when the content is replaced. */
  const said = document.createElement('p');
  said.className = 'unseen';
  said.setAttribute('role', 'status');
  document.body.append(said);

  /** How to find the element again that has the focus, in another version of the content. */
  const focused = () => {
    const element = document.activeElement;
    if (!element?.closest('main')) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    return element.hasAttribute('href') ? `main a[href="${CSS.escape(element.getAttribute('href'))}"]` : 'main';
  };
  const focus = (place) => {
    const main = document.querySelector('main');
    main.tabIndex = -1;
    (document.querySelector(place) ?? main).focus({ preventScroll: true });
  };

  /** Shows the content of another page instead of this one's. The keyboard stays where it was. */
  const become = (page) => {
    const place = focused();
    document.querySelector('main').replaceWith(document.adoptNode(page.querySelector('main')));
    document.title = page.title;
    if (place) focus(place);
    const state = document.querySelector('#live dd')?.textContent;
    if (state && said.textContent !== state) said.textContent = state;
    start();
  };

  const advance = ({ loaded, total }) => {
    const bar = find('bar');
    bar.max = total;
    bar.value = loaded;
  };

  /** The browser asks whether to leave a page that sends a file. */
  const ask = (event) => event.preventDefault();

  /** Sends a file with the fields of its form, but without the page that would follow: the script stays here until the file has arrived.
   * So it needs a policy and a signature of its own. */
  const send = (form, file) => new Promise((arrived, failed) => {
    const own = { policy: form.dataset.policy, 'x-amz-signature': form.dataset.signature };
    const data = new FormData();
    for (const { name, value } of form.querySelectorAll('input[type=hidden]')) {
      if (name !== 'success_action_redirect') data.append(name, own[name] ?? value);
    }
    data.append('file', file);
    const request = new XMLHttpRequest();
    const tell = (news) => tabs.postMessage({ place: form.dataset.then, ...news });
    const end = (state, settle) => {
      sending = false;
      removeEventListener('beforeunload', ask);
      removeEventListener('pagehide', leave);
      tell({ state });
      settle();
    };
    const lose = () => end('over', () => failed(new Error('lost')));
    const leave = () => request.abort();
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      advance({ loaded, total });
      tell({ state: 'sending', loaded, total });
    });
    request.addEventListener('load', () => {
      if (request.status === 204) return end('arrived', arrived);
      form.dataset.refused = 'yes';
      return end('over', () => failed(new Error('refused')));
    });
    request.addEventListener('error', lose);
    request.addEventListener('abort', lose);
    sending = true;
    addEventListener('beforeunload', ask);
    addEventListener('pagehide', leave);
    request.open('POST', form.getAttribute('action'));
    request.send(data);
  });

  /** Does the work of a form, and says that it is under way or has failed. */
  const work = async (form, task) => {
    const button = form.querySelector('button');
    // Of this page: afterwards another one may be here.
    const [bar, failed] = [find('sending'), find('failed')];
    if (button.disabled) return;
    button.disabled = true;
    advance({ loaded: 0, total: 1 });
    show(failed, false);
    show(bar, true);
    try {
      await task();
    } catch {
      button.disabled = false;
      show(failed, true);
    }
    show(bar, false);
  };

  /** A new upload: the registry names the place, whose page takes over with the same file. */
  const prepareUpload = (form) => {
    show(find('choose'), true);
    show(find('name'), false);
    const input = find('file');
    const button = form.querySelector('button');
    input.required = true;
    button.textContent = button.dataset.script;
    form.addEventListener('submit', (event) => {
      const { files } = input;
      event.preventDefault();
      work(form, async () => {
        form.elements.file_name.value = files[0].name;
        // If the connection is lost and the form is sent again, it has the same number, so the place is the same.
        const answer = await fetch(form.getAttribute('action'), { method: 'POST', body: new URLSearchParams(new FormData(form)) });
        // The form stays, with the file that is chosen.
        if (isBusy(answer)) throw new Error('busy');
        become(await read(answer));
        if (find('file')) find('file').files = files;
        if (!find('send')) return;
        history.replaceState(null, '', answer.url);
        find('send').requestSubmit();
      });
    });
  };

  /** The form of S3, on the page of an import that awaits its file. */
  const prepareSend = (form) => form.addEventListener('submit', (event) => {
    const tries = Number(form.dataset.tries ?? 0);
    if (form.dataset.refused || tries >= TRIES) return;
    event.preventDefault();
    work(form, async () => {
      form.dataset.tries = tries + 1;
      if (tries > 0) {
        // Whatever the connection said, the file may have arrived; or the time for it is over.
        const answer = await fetch(location.href);
        const page = await read(answer);
        if (answer.ok && !answer.redirected && !page.getElementById('send')) return become(page);
      }
      await send(form, find('file').files[0]);
      return location.assign(form.dataset.then);
    });
  });

  /** Another tab sends the file of this page. Without news: it no longer does. */
  const elsewhere = (form, news) => {
    clearTimeout(silence);
    waiting = Boolean(news);
    if (news && form.contains(document.activeElement)) focus('main');
    show(form, !news);
    show(find('failed'), false);
    show(find('here'), !news);
    show(find('elsewhere'), news);
    show(find('sending'), news);
    if (!news) return;
    advance(news);
    silence = setTimeout(elsewhere, SILENCE, form, null);
  };
  tabs.onmessage = ({ data: { place, state, ...news } }) => {
    const form = find('send');
    if (sending || form?.dataset.then !== place) return;
    if (state === 'arrived') location.assign(place);
    else elsewhere(form, state === 'sending' ? news : null);
  };

  /** A file that is dropped counts as chosen. */
  const prepareDrop = (area) => {
    area.addEventListener('dragover', (event) => event.preventDefault());
    area.addEventListener('drop', (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length === 1) find('file').files = event.dataTransfer.files;
    });
  };

  /** Whether a page says something else than this one. The form of S3 has another signature each time, which is no news. */
  const isNews = (page) => (find('send')
    ? !page.getElementById('send')
    : page.querySelector('main').innerHTML !== document.querySelector('main').innerHTML);

  /** Looks at the page of an import again. */
  const refresh = (pause = PAUSE) => {
    clearTimeout(look);
    look = setTimeout(async () => {
      if (sending || waiting) return refresh();
      try {
        const answer = await fetch(location.href);
        if (isBusy(answer)) return refresh(Math.min(2 * pause, LONGEST_PAUSE));
        // The session has ended, or the import is gone: the browser shows that page. Not if a file may be chosen here, which needs no session.
        if (answer.redirected || !answer.ok) return find('send') ? undefined : location.assign(answer.url);
        const page = await read(answer);
        if (!sending && !waiting && isNews(page)) return become(page);
      } catch {
        // The next time.
      }
      return refresh();
    }, pause);
  };

  const start = () => {
    const on = (id, prepare) => {
      const element = find(id);
      if (element) prepare(element);
    };
    on('upload', prepareUpload);
    on('send', prepareSend);
    on('choose', prepareDrop);
    if (find('live')?.dataset.refresh || find('send')) refresh();
  };
  start();

  /** Ignores the second use of a form or link within its rest. */
  const once = (event, element, rests) => {
    if (Date.now() < (used.get(element) ?? 0)) return event.preventDefault();
    return used.set(element, Date.now() + rests);
  };
  document.addEventListener('submit', (event) => {
    if (event.target.method === 'post' && !event.defaultPrevented) once(event, event.target, FORM_RESTS);
  });
  document.addEventListener('click', (event) => {
    const link = event.target.closest('#export');
    if (link) once(event, link, LINK_RESTS);
  });
  // The browser shows the page again, as it was.
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) used = new WeakMap();
  });
})();
