<?php
// Calls the registry with the client that OpenAPI Generator's `php` made from the document.
declare(strict_types=1);

use Cee\Api\AccessApi;
use Cee\Api\ApplicationsApi;
use Cee\Api\HistoryApi;
use Cee\ApiException;
use Cee\Configuration;
use Cee\Model\Credentials;
use Cee\Model\DuplicateProblem;
use Cee\Model\HistoryRow;
use Cee\Model\LongRegistration;
use Cee\Model\ModelInterface;
use Cee\Model\Register400Response;
use Cee\Model\Register409Response;
use Cee\Model\Simulation;
use GuzzleHttp\Client;

require 'GuzzleHttp/autoload.php';
spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/generated/lib/' . str_replace('\\', '/', substr($class, 4)) . '.php';
    if (str_starts_with($class, 'Cee\\') && is_file($file)) {
        require $file;
    }
});
set_error_handler(static function (int $level, string $message, string $file, int $line): never {
    throw new ErrorException($message, 0, $level, $file, $line);
});

const NAME = 'PHP';
const PHONE = '+336399801';

function check(bool $holds, mixed $about): void
{
    if (!$holds) {
        throw new UnexpectedValueException(print_r($about, true));
    }
}

function configuration(stdClass $keys): Configuration
{
    $access = new AccessApi(new Client(), (new Configuration())->setHost((string) getenv('API')));
    $credentials = new Credentials(['access_key' => $keys->access_key, 'secret_key' => $keys->secret_key]);
    $token = $access->getAccessToken($credentials)->getAccessToken();
    return (new Configuration())->setHost((string) getenv('API'))->setAccessToken($token);
}

function registration(?DateTime $signed = null): LongRegistration
{
    return new LongRegistration([
        'journey_type' => 'long', 'last_name_trunc' => NAME, 'phone_trunc' => PHONE, 'driving_license' => '99-DEPHP01',
        'datetime' => new DateTime('2024-03-15T07:30:00Z'),
    ] + ($signed === null ? [] : ['application_timestamp' => $signed]));
}

/** The typed problem of a call that must be refused with this status. */
function refused(callable $call, int $status): ModelInterface
{
    try {
        $answer = $call();
    } catch (ApiException $refusal) {
        check($refusal->getCode() === $status, $refusal->getMessage());
        return $refusal->getResponseObject();
    }
    throw new UnexpectedValueException(print_r($answer, true));
}

[$one, $two] = json_decode((string) getenv('KEYS'));
$mine = configuration($one);
$ours = new ApplicationsApi(new Client(), $mine);
$theirs = new ApplicationsApi(new Client(), configuration($two));

$simulation = new Simulation(['journey_type' => 'long', 'last_name_trunc' => NAME, 'phone_trunc' => PHONE]);
check($ours->simulate($simulation)->getEligible(), 'eligible');
$granted = $ours->register(registration());
check($granted->getDatetime() == new DateTime('2024-03-15T07:30:00Z'), $granted);

$blocked = refused(static fn () => $theirs->register(registration()), 409);
check($blocked instanceof Register409Response && $blocked->getReason() === 'duplicate', $blocked);
check($blocked->getDatetime() == $granted->getDatetime() && $blocked->getUuid() === null && $blocked->getToken() === null, $blocked);
$own = refused(static fn () => $ours->register(registration()), 409);
check($own instanceof Register409Response && $own->getType() === DuplicateProblem::TYPE_DUPLICATE, $own);
check($own->getUuid() === $granted->getUuid() && $own->getToken() === $granted->getToken(), $own);
$wrong = refused(static fn () => $ours->register(registration(new DateTime('2124-01-01T00:00:00Z'))), 400);
check($wrong instanceof Register400Response && count($wrong->getErrors()) === 1, $wrong);
check($wrong->getErrors()[0]->getPointer() === '/application_timestamp', $wrong);

$rows = array_map(static fn (string $date): HistoryRow => new HistoryRow([
    'journey_type' => 'short', 'last_name_trunc' => NAME, 'phone_trunc' => PHONE, 'datetime' => new DateTime($date),
]), ['2021-01-01T00:00:00Z', '2021-02-01T00:00:00Z']);
$batch = (new HistoryApi(new Client(), $mine))->importHistory($rows);
check([$batch->getImported(), $batch->getFailed(), $batch->getFailedDetails()] === [2, 0, []], $batch);
echo "php: done\n";
