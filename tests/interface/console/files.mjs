// A history file as Excel spoils one: 12 faults, a few things that the registry repairs, and the corrected file.

/** Each fault: the row as it is, as it is corrected, and how the registry's reason begins. */
const FAULTS = [
  ['short;élo;06399803;15/02/2021', 'short;ELO;06399803;15/02/2021', 'contient un accent'],
  ['short;Mar;06399804;15/02/2021', 'short;MAR;06399804;15/02/2021', 'contient une lettre minuscule'],
  ["short;O'C;06399805;15/02/2021", 'short;O C;06399805;15/02/2021', "contient un trait d'union ou une apostrophe"],
  ['short;MARTIN;06399806;15/02/2021', 'short;MAR;06399806;15/02/2021', 'est trop long'],
  ['short;ROY;3,36E+08;15/02/2021', 'short;ROY;+336399807;15/02/2021', "a été arrondi par Excel, qui l'a pris pour un nombre"],
  ['short;ROY;0639980812;15/02/2021', 'short;ROY;06399808;15/02/2021', 'est un numéro de téléphone entier'],
  ['short;LEG;06399809;44242', 'short;LEG;06399809;15/02/2021', "ressemble à un numéro de jour d'Excel"],
  ['short;LEG;06399810;########', 'short;LEG;06399810;15/02/2021', 'a été écrit #### par Excel'],
  ['short;LEG;06399811;15/02/21', 'short;LEG;06399811;15/02/2021', 'a une année à deux chiffres'],
  ['short;LEG;06399812;31/02/2021', 'short;LEG;06399812;28/02/2021', "est une date qui n'existe pas"],
  ['moyen;LEG;06399813;15/02/2021', 'long;LEG;06399813;15/02/2021', 'doit être «\u00a0short\u00a0» (courte distance) ou «\u00a0long\u00a0» (longue distance)'],
  ['short;LEG;06399814;15/02/2024', 'short;LEG;06399814;15/02/2022', 'doit être antérieure au 01/01/2023'],
];
const GOOD = ['short;DUP;+336399801;15/02/2021', 'long;D H;06399802;16/02/2021', 'Short;TO;06399815;17/02/2021'];

export const REASONS = FAULTS.map(([, , reason]) => reason);
export const ROWS = GOOD.length + FAULTS.length;

/** Excel in French: semicolons, windows-1252, the line breaks of Windows. */
const file = (rows) => Buffer.from(`${['Journey_Type;last_name_trunc;phone_trunc;datetime', ...rows].join('\r\n')}\r\n`, 'latin1');
export const clumsy = () => file([...GOOD, ...FAULTS.map(([row]) => row)]);
export const corrected = () => file([...GOOD, ...FAULTS.map(([, row]) => row)]);
